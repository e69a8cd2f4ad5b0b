"""Which episodes `snakemake rollouts` shows."""

from pydantic import Field, field_validator

from fmq.section import Section


class RolloutSettings(Section):
    """Episodes of the last evaluations that are shown, of every task and method."""

    episodes: list[int] = Field(
        min_length=1, description="their numbers; those that an evaluation lacks are left out"
    )
    seed: int | None = Field(description="of the runs shown; null takes the first of seeds")

    @field_validator("episodes")
    @classmethod
    def _numbers(cls, episodes: list[int]) -> list[int]:
        if len(set(episodes)) < len(episodes) or min(episodes) < 0:
            raise ValueError("have to be 0 or more, each once")
        return episodes
