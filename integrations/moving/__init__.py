"""Moving connections between systems: adopting JSON lines of another one, encrypted bundles of this one."""
