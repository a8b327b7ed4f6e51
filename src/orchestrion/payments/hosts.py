"""Which addresses are PayPal's, and which this machine's own; must not look anything up."""

import ipaddress
import re
from typing import Final, Self

import msgspec

PAYPAL_DOMAIN: Final = "paypal.com"
ADDRESS_CHARS_MAX: Final = 2_048
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80
_PORT_MAX: Final = 65_535

# Stricter than any browser: what browsers may read in two ways (backslashes, user names, spaces,
# other scripts) is no address here.
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<rest>[/?][A-Za-z0-9/?&=%._~:@!$'()*+,;-]*)?",
    re.ASCII,
)


class Origin(msgspec.Struct, frozen=True):
    """Where an address leads: scheme, host in lower case, and port if it is not the usual one."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, address: str) -> Self | None:
        """Read where an address leads; None if it is not a plain one."""
        match = _ADDRESS.fullmatch(address) if len(address) <= ADDRESS_CHARS_MAX else None
        if match is None:
            return None
        scheme = match["scheme"]
        usual = _HTTPS_PORT if scheme == "https" else _HTTP_PORT
        port = int(match["port"] or usual)
        if port > _PORT_MAX:
            return None
        return cls(scheme, match["host"].lower(), None if port == usual else port)

    @property
    def loopback(self) -> bool:
        """Tell whether it is this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def is_paypal(self) -> bool:
        """Tell whether it is PayPal, over TLS, at the usual port."""
        known = self.host == PAYPAL_DOMAIN or self.host.endswith(f".{PAYPAL_DOMAIN}")
        return self.scheme == "https" and self.port is None and known


class BaseUrl(msgspec.Struct, frozen=True):
    """Where PayPal's API is called: at PayPal over https, or on this machine."""

    text: str
    origin: Origin

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a base URL. Raises ValueError, whose text is one line for the operator."""
        bare = text.removesuffix("/")
        origin = Origin.of(bare)
        if origin is None or bare.count("/") != len("//") or "?" in bare:
            raise ValueError("not an address like https://api-m.paypal.com, without a path")
        if not (origin.is_paypal or origin.loopback):
            raise ValueError(
                "it carries credentials: only https at paypal.com or a host below it, "
                "or an address of this machine"
            )
        return cls(bare, origin)

    def trusts(self, address: str) -> bool:
        """Tell whether an address in PayPal's answers may be passed on.

        It must be PayPal's own; on this machine, where PayPal is pretended, the same server's.
        """
        origin = Origin.of(address)
        if origin is None:
            return False
        return origin == self.origin if self.origin.loopback else origin.is_paypal
