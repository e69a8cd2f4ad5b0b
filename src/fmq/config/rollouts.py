"""Settings of `snakemake rollouts`: which episodes are shown."""

from pydantic import Field, field_validator

from fmq.config.section import Section


class RolloutSettings(Section):
    """Episodes of the last evaluation that are shown for every task and method."""

    episodes: list[int] = Field(
        min_length=1,
        description="episode numbers, from 0; those that an evaluation lacks are left out",
    )
    seed: int | None = Field(
        description="seed of the runs that are shown; null takes the first of seeds"
    )

    @field_validator("episodes")
    @classmethod
    def _numbers(cls, episodes: list[int]) -> list[int]:
        if len(set(episodes)) < len(episodes) or min(episodes) < 0:
            raise ValueError("must be 0 or more, each listed once")
        return episodes
