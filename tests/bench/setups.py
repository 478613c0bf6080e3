"""The set-ups that are compared, and the check that one does what it is measured for."""

import http.client
from dataclasses import dataclass

from servers import Failure, Nginx

# A session cookie has the form of Authgear's; its number stands at the end of the UUID, which is the user's as well.
CREDENTIAL = "acdc0d99-f784-43d5-b53d-{:0>12}.Zk3qP8xW1nT6vB0yJ4mC7sE2aL9dR5hU"
USER = "acdc0d99-f784-43d5-b53d-{:0>12}"
# What browsers send with every request.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
}


@dataclass(frozen=True)
class Setup:
    """A file in conf/, and what it is."""

    name: str
    title: str
    # Whose identity the backend gets: nobody's, always the first user's, or the resolver's answer.
    identity: str = "resolved"
    # The object file, should it have one of its own.
    object: str = ""


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("plain", "plain `proxy_pass`", identity="none"),
        Setup("constants", "plain `proxy_pass`, the same headers as constants", identity="first"),
        Setup("module", "this module", object="ngx_http_authgear_module"),
        Setup("module-without-l1", "this module, built without L1", object="ngx_http_authgear_module"),
        Setup("module-status", "this module, whose status is asked for", object="ngx_http_authgear_module"),
        Setup("module-uncached", "this module without its cache", object="ngx_http_authgear_module"),
        Setup("documented", "`auth_request` and `proxy_cache`, as documented"),
        Setup("documented-lock", "the same with `proxy_cache_lock`"),
        Setup("documented-uncached", "`auth_request` as documented, without its cache"),
        Setup("tuned", "`auth_request` without a cache, connections to the resolver kept"),
        Setup("lua", "forward-auth in Lua with `lua_shared_dict`", object="ngx_http_lua_module"),
    )
}


def session_cookie(number):
    """The Cookie line of a credential. `number` is a text of at most 12 hexadecimal digits, or a mark for them."""
    return "session=" + CREDENTIAL.format(number)


def expected_identity(setup, number):
    if setup.identity == "none":
        return {}
    return {
        "session-valid": "true",
        "user-id": USER.format("0" if setup.identity == "first" else number),
        "user-anonymous": "false",
        "user-verified": "true",
        "user-can-reauthenticate": "true",
        "session-authenticated-at": "1136171045",
    }


class Front:
    """An nginx with one of the set-ups, in front of the backend."""

    def __init__(self, nginx, setup):
        self.nginx = nginx
        self.setup = setup
        self.url = f"http://127.0.0.1:{nginx.port}/"

    def check(self, number="0"):
        """One request, whose identity headers at the backend have to be just those of the set-up. It fills the
        cache, too."""
        headers = BROWSER | {"Cookie": session_cookie(number)}
        if self.setup.identity != "none":
            # Whatever names the user has to replace what the client says.
            headers["x-authgear-user-id"] = "forged"
        status, body = get(self.nginx.port, "/identity", headers)
        pairs = (line.split("=", 1) for line in body.splitlines() if "=" in line)
        seen = {name: value for name, value in pairs if value}
        expected = expected_identity(self.setup, number)
        if status != 200 or seen != expected:
            raise Failure(f"{self.setup.name}: the backend was to see {expected}, but saw {seen} (status {status})")


class Rig:
    """Backend, resolver, and the fronts between them; `stack` ends them all."""

    def __init__(self, programs, stack, resolver="resolver"):
        self.programs = programs
        self.stack = stack
        self.backend = stack.enter_context(Nginx(programs, "backend", {}, workers=2))
        self.resolver = stack.enter_context(Nginx(programs, resolver, {}, workers=2))
        self._asked = 0

    def front(self, setup, workers=1, zone="10m", valid="10m", stack=None, **how):
        """Starts one, which ends with the rig unless another stack is given. `how` is for Nginx."""
        values = {
            "backend": self.backend.port,
            "resolver": self.resolver.port,
            "first_user": USER.format("0"),
            "zone": zone,
            "valid": valid,
        }
        nginx = Nginx(self.programs, setup.name, values, workers=workers, **how)
        return Front((stack or self.stack).enter_context(nginx), setup)

    def calls(self):
        """How many calls the resolver got so far."""
        _, body = get(self.resolver.port, "/calls", {})
        # nginx counts the question as well.
        self._asked += 1
        return int(body.splitlines()[2].split()[2]) - self._asked


def get(port, path, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError as error:
        raise Failure(f"no answer to {path} from port {port}: {error}") from error
    finally:
        connection.close()
