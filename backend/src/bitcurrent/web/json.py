"""JSON in and out: one strict decoder for every request body, one encoder for every answer.

Litestar by itself would read a number into a float first and take "1" for 1; money allows neither.
"""

from collections.abc import Generator
from functools import lru_cache
from typing import Any, ClassVar, NoReturn, TypeVar, cast

import msgspec
from litestar.dto import AbstractDTO, DTOConfig
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from bitcurrent.web.amounts import Amount, read_amount, write_amount
from bitcurrent.web.texts import clean_json

T = TypeVar("T")

TYPE_ENCODERS = {Amount: write_amount}
"""For Litestar: how an answer's parts are written that msgspec does not know."""


def _read_part(kind: type, value: object) -> Any:
    """Read what msgspec does not know; a msgspec dec_hook."""
    if kind is Amount:
        return read_amount(value)
    raise TypeError(f"{kind.__name__} has no wire format")


def write_part(value: object) -> Any:
    """Write what msgspec does not know; a msgspec enc_hook."""
    if isinstance(value, Amount):
        return write_amount(value)
    raise TypeError(f"{type(value).__name__} has no wire format")


_encoder = msgspec.json.Encoder(enc_hook=write_part)


@lru_cache(maxsize=512)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # float_hook hands over a number's own text, so that nothing is lost on the way to a decimal.
    return msgspec.json.Decoder(kind, dec_hook=_read_part, float_hook=str)


def decode(body: bytes, kind: type[T]) -> T:
    """Read a JSON body as `kind`, strictly, its texts in their normal form.

    Raises msgspec.ValidationError (a field is wrong), msgspec.DecodeError (not JSON) or ForbiddenCharacter; the edge
    turns all into problem documents.
    """
    return cast("T", _decoder(cast("Any", kind)).decode(clean_json(body)))


def encode(value: object) -> bytes:
    """Write an answer as JSON."""
    return _encoder.encode(value)


class StrictJson(AbstractDTO[Any]):
    """Makes Litestar read every handler's `data` by `decode`. Set once, on the app."""

    config = DTOConfig()
    model_type = object
    _kinds: ClassVar[dict[str, Any]] = {}

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Remember which type this handler's body has; a type that cannot be read fails here, at the start."""
        _decoder(field_definition.annotation)
        cls._kinds[handler_id] = field_definition.annotation

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """Describe the body by its own type."""
        return cast("Reference | Schema", schema_creator.for_field_definition(field_definition))

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Any type will do."""
        return True

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """No fields are renamed, hidden or added."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Nothing is mapped, so nothing is nested."""
        return False

    def decode_bytes(self, value: bytes) -> Any:
        """Read the body."""
        return decode(value, self._kinds[self.asgi_connection.route_handler.handler_id])

    def decode_builtins(self, value: dict[str, Any]) -> NoReturn:
        """Forms are not part of this API."""
        raise msgspec.DecodeError("Expected a JSON body")
