//! NGINX dynamic module that authenticates requests at the Authgear session resolver.
