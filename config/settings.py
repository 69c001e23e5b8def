"""All settings, read once from the environment. README.md has the table of variables."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from config import environment

BASE_DIR = environment.BASE_DIR
DATA_DIR = environment.data_dir()
env = environment.read(DATA_DIR)

PATCHBAY_ENV = env.str("PATCHBAY_ENV", default="production")
if PATCHBAY_ENV not in {"production", "development"}:
    raise environment.refuse("PATCHBAY_ENV", f"is {PATCHBAY_ENV!r}")
IS_PRODUCTION = PATCHBAY_ENV == "production"

SECRET_KEY = env.str("SECRET_KEY", default="")
FERNET_KEYS = [key.strip() for key in env.str("FERNET_KEYS", default="").split(",") if key.strip()]
FERNET_USE_HKDF = False  # keys are real keys; sealing derives one per value itself
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
UPSTREAM_MAP: dict[str, str] = env.json("UPSTREAM_MAP", default={})
DEBUG = False

if IS_PRODUCTION:
    environment.check_production(
        secret_key=SECRET_KEY, public_url=PUBLIC_URL, allowed_hosts=ALLOWED_HOSTS, upstream_map=UPSTREAM_MAP
    )
environment.check_public_url(PUBLIC_URL)
environment.check_fernet_keys(FERNET_KEYS)

PUBLIC_IS_HTTPS = urlsplit(PUBLIC_URL).scheme == "https"

INSTALLED_APPS = [
    "config.apps.PatchbayAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "csp",
    "sealing",
    "accounts",
    "integrations",
    "proxy",
]

MIDDLEWARE = [
    "accounts.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "accounts.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # a redirect would turn a POST into a GET (PRX-31)

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- database -------------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'patchbay.sqlite3'}")}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that reads first cannot fail later when it turns into a writer.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # A file in tests too: SQLite's shared memory knows neither WAL nor waiting for a lock.
    _database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    _database.setdefault("OPTIONS", {})["pool"] = {
        "min_size": 0,
        "max_size": env.int("DATABASE_POOL_SIZE", default=40),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- cache, broker, workers -----------------------------------------------------------------------------
CACHE_URL = env.str("CACHE_URL", default="")
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://patchbay")}

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
BROKER_DIR = DATA_DIR / "broker"
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "store_processed": False,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    # Whoever enqueues must not hang on a broker that is gone: the work is found again in the database.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.2,
    }
    CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Nothing here asks workers by broadcast, and its consumer ends the worker when Redis dies under it.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A queue of its own, so that no other work stands before refreshes (OPS-14); a worker without -Q takes both.
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"celery": {}, "refresh": {}}
CELERY_TASK_ROUTES = {
    "integrations.tasks.refresh_due": {"queue": "refresh"},
    "integrations.tasks.refresh_connection": {"queue": "refresh"},
}
CELERY_BEAT_SCHEDULER = "integrations.schedules:SeededScheduler"
CELERY_TIMEZONE = "UTC"
CELERY_RESULT_EXPIRES = None  # no results are kept, so nothing has to be cleaned up
# Defaults: written into the database once, where staff change them (docs/beat.md). Seconds of elapsed time.
CELERY_BEAT_SCHEDULE = {
    "worker-heartbeat": {"task": "accounts.tasks.worker_heartbeat", "schedule": 10.0},
    "refresh-due-connections": {"task": "integrations.tasks.refresh_due", "schedule": 30.0},
    "tell-ending-grants": {"task": "integrations.tasks.tell_ending_grants", "schedule": 600.0},
    "purge-expired-links": {"task": "integrations.tasks.purge_expired", "schedule": 600.0},
    "retry-revocations": {"task": "integrations.tasks.retry_revocations", "schedule": 60.0},
    "complete-identities": {"task": "integrations.tasks.complete_identities", "schedule": 60.0},
    "purge-issued-tokens": {"task": "accounts.tasks.purge_issued_tokens", "schedule": 3600.0},
    "purge-old-rows": {"task": "integrations.tasks.purge_old", "schedule": 3600.0},
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

# --- who signs in to the admin --------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "accounts.request_context.client_address"
AXES_VERBOSE = False

# --- HTTP -----------------------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = False  # the edge does it; a redirect here would turn a proxied POST into a GET
SECURE_HSTS_SECONDS = 31_536_000 if PUBLIC_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # the host's other names are not ours to decide about
    "security.W008",  # the edge redirects to https; ours would turn a proxied POST into a GET
    "security.W021",  # preloading is the domain owner's decision
]
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_IS_HTTPS
SESSION_COOKIE_NAME = "__Host-patchbay-session" if PUBLIC_IS_HTTPS else "patchbay-session"
CSRF_COOKIE_NAME = "__Host-patchbay-csrf" if PUBLIC_IS_HTTPS else "patchbay-csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "accounts.pages.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 12_582_912  # the envelope's own limit of 10 MB must be reached first (PRX-23)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = not IS_PRODUCTION

# --- language and time ----------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("es", "Español"), ("ja", "日本語")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# --- API ------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.PartnerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "accounts.api.schema.PatchbaySchema",
    "DEFAULT_PAGINATION_CLASS": None,
    "EXCEPTION_HANDLER": "accounts.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Patchbay",
    "DESCRIPTION": "Connect links, connections and the proxy of a Patchbay installation.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/(v1/)?",
    "ENUM_NAME_OVERRIDES": {"ConnectionStatus": "integrations.models.connection.Status"},
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}

# --- the product's own numbers --------------------------------------------------------------------------
CONNECT_LINK_SECONDS = 1_800
CONNECT_LINK_MAX_SECONDS = 604_800
STACKGO_LINK_SECONDS = 604_800
ATTEMPT_SECONDS = 600
ISSUED_TOKEN_SECONDS = 86_400
ENVELOPE_MAX_BYTES = 10_000_000
PROXY_IDLE_SECONDS = 60
PROXY_TOTAL_SECONDS = 900
EVENT_DAYS = env.int("EVENT_DAYS", default=30)
# Threads of one worker process that refresh ahead of use, each with a database connection.
REFRESH_THREADS = env.int("REFRESH_THREADS", default=24)
# Refreshes ahead of use at one provider, over all workers, unless its file says another number.
REFRESHES_PER_SECOND = env.float("REFRESHES_PER_SECOND", default=200.0)

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = "config.logs.configure"
LOGGING = {"level": LOG_LEVEL, "is_json": IS_PRODUCTION}

# --- limits (docs/limits.md) ----------------------------------------------------------------------------
# Web processes that count partners' requests without a shared cache; uvicorn itself heeds WEB_CONCURRENCY.
WEB_PROCESSES = env.int("WEB_PROCESSES", default=env.int("WEB_CONCURRENCY", default=1))
PROXY_MAX_CALLS = env.int("PROXY_MAX_CALLS", default=10000)
PROXY_MAX_BODY_BYTES = env.int("PROXY_MAX_BODY_BYTES", default=0)
PROVIDER_BUDGETS = env.bool("PROVIDER_BUDGETS", default=True)
if CACHES["default"]["BACKEND"].endswith("RedisCache"):
    # Whoever counts must not hang on a cache that does not answer.
    _seconds = {"socket_connect_timeout": 2, "socket_timeout": 2}
    CACHES["default"]["OPTIONS"] = _seconds | CACHES["default"].get("OPTIONS", {})

# --- what operators see ---------------------------------------------------------------------------------
# `/metrics` is there for who shows this token, and not there without one (docs/observation.md).
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# The operator's own collector of traces. OpenTelemetry's library reads its other variables itself.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")

# --- the traffic log ------------------------------------------------------------------------------------
# all: every call is kept. errors: every call is counted, failed ones are kept. off: nothing (docs/traffic.md).
TRAFFIC_LOG = env.str("TRAFFIC_LOG", default="all")
if TRAFFIC_LOG not in {"all", "errors", "off"}:
    raise environment.refuse("TRAFFIC_LOG", f"is {TRAFFIC_LOG!r}")
TRAFFIC_DAYS = env.int("TRAFFIC_DAYS", default=30)
TRAFFIC_HOUR_DAYS = 400

# --- calls that are made later (docs/receipts.md) -------------------------------------------------------
# Made at once by one worker process; each may hold 10 MiB.
RECEIPTS_AT_ONCE = env.int("RECEIPTS_AT_ONCE", default=32)
RECEIPT_KEPT_BYTES = env.int("RECEIPT_KEPT_BYTES", default=1073741824)
RECEIPT_KEPT_ROWS = env.int("RECEIPT_KEPT_ROWS", default=50000)
CELERY_BEAT_SCHEDULE["run-receipts"] = {"task": "proxy.tasks.sweep_receipts", "schedule": 30.0}
SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"]["ReceiptState"] = "proxy.models.receipt.State"  # type: ignore[index]

# --- providers (integrations/catalogue/README.md) -------------------------------------------------------
# A folder of the operator's own provider files, which are served beside ours and win by id.
_folder = env.str("CATALOGUE_FOLDER", default="")
CATALOGUE_FOLDER = Path(_folder) if _folder else None
