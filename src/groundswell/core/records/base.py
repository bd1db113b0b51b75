"""What all records share."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value with known fields and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")
