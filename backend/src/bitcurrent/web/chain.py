"""What stands before every handler, as one declared chain: the layers, their order, what each does for an operation.

`Edge` runs the layers before the handler in this order; the gates are guards declared at the route. The same data
describes the chain in the OpenAPI document and on /docs.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from litestar import Litestar
from litestar.routes import ASGIRoute, HTTPRoute

from bitcurrent.web.rates import RATES, Rate, RateName

LayerName = Literal[
    "security_headers",
    "cors",
    "rate_limits",
    "csrf",
    "input_rules",
    "authentication",
    "kyc",
    "conduct",
    "second_factor",
]
GuardFunction = TypeVar("GuardFunction", bound=Callable[..., Any])

RATE = "rate"
"""A handler with `opt={RATE: "money"}` is counted in that class; others by their method and by who may call them."""

OWN_CHAIN = "own_chain"
"""A mounted application with `opt={OWN_CHAIN: "why"}` counts and refuses in its own words."""

BODY_BYTES = "body_bytes"
"""A handler with `opt={BODY_BYTES: n}` takes bodies of so many bytes instead of the usual 64 kB."""

REPEATABLE = "repeatable"
"""A write with `opt={REPEATABLE: "why"}` takes no Idempotency-Key, because repeating it does nothing more."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DECLARED = "bitcurrent_gate"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the chain."""

    name: LayerName
    title: str
    does: str
    declared: str
    """Where this layer is told what to do."""


LAYERS: tuple[Layer, ...] = (
    Layer(
        "security_headers",
        "Security headers",
        "Every answer, refusals too, carries a content policy, nosniff, no framing, no referrer to others, no-store "
        "unless it is public, and behind TLS a year of HSTS.",
        "web/edge.py",
    ),
    Layer(
        "cors",
        "Allowed origins",
        "Pages of other sites may read answers only when the settings name their origin.",
        "BITCURRENT_ALLOWED_ORIGINS",
    ),
    Layer(
        "rate_limits",
        "Rate limits",
        "Requests are counted in a sliding window for the address, the account and the API key; RateLimit-* headers "
        "tell what is left. What cannot be counted is refused where money is at stake.",
        "web/rates.py, and `rate` at the route",
    ),
    Layer(
        "csrf",
        "Cross-site requests",
        "A write with a session cookie must come from a page of ours and carry X-CSRF-Token. Tokens and API keys are "
        "never sent by a browser by itself, so they need no such proof.",
        "web/origins.py, web/csrf.py",
    ),
    Layer(
        "input_rules",
        "Input rules",
        "At most 64 kB; text in normal form (NFC) without control characters; unknown fields are refused by name. "
        "The body is read once the gates below have let the caller in.",
        "web/texts.py, web/json.py, each room's schemas",
    ),
    Layer("authentication", "Authentication", "A session or an API key that may do this.", "guards at the route"),
    Layer("kyc", "Verified identity", "The level of verification that this needs.", "guards at the route"),
    Layer(
        "conduct",
        "Risk rules",
        "What the rules of the customer's country put before money goes in; selling and withdrawing pass.",
        "guards at the route",
    ),
    Layer("second_factor", "Second factor", "A second factor used minutes ago.", "guards at the route"),
)
ORDER: dict[LayerName, int] = {layer.name: number for number, layer in enumerate(LAYERS)}


@dataclass(frozen=True, slots=True)
class Gate:
    """What a guard stands for: its layer, and what it asks in words for people."""

    layer: LayerName
    asks: str


def stands_for(guard: GuardFunction, layer: LayerName, asks: str) -> GuardFunction:
    """Declare what a guard asks; gives the guard back."""
    setattr(guard, _DECLARED, Gate(layer, asks))
    return guard


def declares(guard: Callable[..., Any]) -> bool:
    """Whether a guard says by itself what it asks."""
    return isinstance(getattr(guard, _DECLARED, None), Gate)


def gate_of(guard: Callable[..., Any]) -> Gate:
    """What a guard asks. One that does not say is named after its function."""
    declared = getattr(guard, _DECLARED, None)
    if isinstance(declared, Gate):
        return declared
    name = getattr(guard, "__qualname__", type(guard).__qualname__).partition(".")[0]
    layer: LayerName = "kyc" if "kyc" in name else "second_factor" if "factor" in name else "authentication"
    return Gate(layer, name.strip("_").replace("_", " "))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the chain sees it."""

    method: str
    template: str
    rate: Rate | None
    gates: tuple[Gate, ...] = ()
    guarded: bool = False
    own_chain: bool = False
    body_bytes: int | None = None
    """How large a body may be, where it is not the usual."""

    def describe(self, factor: int) -> list[dict[str, str]]:
        """The layers that this operation passes, in order, and what each asks of it."""
        says: dict[LayerName, str] = {layer.name: layer.does for layer in LAYERS[:2]}
        if self.rate is not None:
            says["rate_limits"] = _budgets(self.rate, factor)
        if self.method not in SAFE:
            says["csrf"] = LAYERS[ORDER["csrf"]].does
        says["input_rules"] = LAYERS[ORDER["input_rules"]].does
        for gate in self.gates:
            says[gate.layer] = "; ".join(filter(None, (says.get(gate.layer), gate.asks)))
        return [{"layer": layer.name, "asks": says[layer.name]} for layer in LAYERS if layer.name in says]


class Operations:
    """Every operation of an application, found by method and path before Litestar looks for its handler."""

    def __init__(self, app: Litestar) -> None:
        self._exact: dict[tuple[str, str], Operation] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Operation]]] = {}
        self._mounts: dict[str, Operation] = {}
        for route in app.routes:
            if isinstance(route, HTTPRoute):
                for method, (handler, _) in route.route_handler_map.items():
                    self._add(_operation(str(method), route.path_format, handler))
            elif isinstance(route, ASGIRoute) and OWN_CHAIN in route.route_handler.opt:
                self._mounts[route.path] = Operation("*", route.path, None, own_chain=True)

    def _add(self, operation: Operation) -> None:
        if "{" not in operation.template:
            self._exact[operation.method, operation.template] = operation
            return
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(operation.template))
        self._patterns.setdefault(operation.method, []).append((re.compile(pattern), operation))

    def find(self, method: str, path: str) -> Operation:
        """The operation; one for unknown addresses when there is none."""
        found = self._exact.get((method, path))
        if found is not None:
            return found
        path = re.sub("/+", "/", path)  # as Litestar reads them
        path = path.rstrip("/") or "/"
        if found := self._exact.get((method, path)):
            return found
        for mount, operation in self._mounts.items():
            if path == mount or path.startswith(mount + "/"):
                return operation
        for pattern, operation in self._patterns.get(method, ()):
            if pattern.fullmatch(path):
                return operation
        return _UNKNOWN_READ if method in SAFE else _UNKNOWN_WRITE

    def all(self) -> list[Operation]:
        """Every operation that is not mounted."""
        return [*self._exact.values(), *(one for many in self._patterns.values() for _, one in many)]


_UNKNOWN_READ = Operation("GET", "", RATES["public"])
# Counted narrowly: nobody has business there.
_UNKNOWN_WRITE = Operation("POST", "", RATES["login"])


def is_guarded(handler: Any) -> bool:
    """Whether a handler lets in nobody unknown."""
    return bool(handler.resolve_guards()) or "actor" in handler.parsed_fn_signature.parameters


def _operation(method: str, template: str, handler: Any) -> Operation:
    guards: Sequence[Callable[..., Any]] = handler.resolve_guards()
    guarded = is_guarded(handler)
    gates = tuple(gate_of(guard) for guard in guards)
    if guarded and not any(gate.layer == "authentication" for gate in gates):
        gates = (Gate("authentication", "Somebody whom we know; what else is needed, a later gate says."), *gates)
    rate = _rate(method, template, guarded, handler.opt)
    return Operation(method, template, rate, gates, guarded, body_bytes=handler.opt.get(BODY_BYTES))


def _rate(method: str, template: str, guarded: bool, opt: Mapping[str, Any]) -> Rate | None:
    if template.startswith("/health") or method == "OPTIONS":
        return None  # asked every second by whatever keeps this process running
    chosen: RateName = opt[RATE] if RATE in opt else _usual_rate(method, guarded)
    return RATES[chosen]


def _usual_rate(method: str, guarded: bool) -> RateName:
    if method in SAFE:
        return "read" if guarded else "public"
    return "write" if guarded else "login"


def _budgets(rate: Rate, factor: int) -> str:
    kinds: Iterable[tuple[str, int]] = (
        ("an address", rate.address),
        ("an account", rate.account),
        ("an API key", rate.key),
    )
    budgets = ", ".join(f"{budget * factor:,} for {kind}" for kind, budget in kinds if budget)
    closed = "; refused while requests cannot be counted" if rate.closed else ""
    return f"Class `{rate.name}`: in any {rate.seconds} seconds {budgets}{closed}."
