// The npm package oidc-provider with its own pages for login and consent. SETTINGS: {port, issuer, cookieKey,
// registrationToken, requiresPushedRequests}.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const settings = JSON.parse(process.env.SETTINGS);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signingKey = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomUUID() };

const provider = new Provider(settings.issuer, {
  jwks: { keys: [signingKey] },
  cookies: { keys: [settings.cookieKey] },
  scopes: ['openid', 'offline_access', 'contacts', 'files'],
  claims: { openid: ['sub'], contacts: ['name'] },
  clientAuthMethods: ['client_secret_basic', 'private_key_jwt'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 600,
    AuthorizationCode: (ctx, token, client) => (client.clientName === 'hasty' ? 1 : 60),
    Grant: 86400,
    IdToken: 600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id.charAt(0).toUpperCase() + id.slice(1) }),
  }),
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true, initialAccessToken: settings.registrationToken },
    pushedAuthorizationRequests: {
      enabled: settings.requiresPushedRequests,
      requirePushedAuthorizationRequests: settings.requiresPushedRequests,
    },
  },
});
provider.proxy = true;

const issuerHost = new URL(settings.issuer).host;
const answer = provider.callback();
createServer((request, response) => {
  // What stands before a server on the internet tells it: asked by its own name it was asked by https.
  if (request.headers.host === issuerHost) request.headers['x-forwarded-proto'] = 'https';
  answer(request, response);
}).listen(settings.port, '127.0.0.1');
