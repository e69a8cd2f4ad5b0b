"""Act online: step one simulator with the policy in training, and keep every transition."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fmq.acting.policy import Policy
from fmq.base.errors import UserError
from fmq.data.sequences import SequenceBuffer
from fmq.envs.environment import fault_of
from fmq.envs.making import make_simulators
from fmq.pipeline.runs import Run
from fmq.training.clock import Clock
from fmq.training.transition_log import TransitionLog


class Collector:
    """A simulator in which the policy acts, with its transitions going to the replay buffer.

    Chunks are executed open loop, and what remains of one is dropped at the end of an episode. The
    policy is called only when the queue of actions is empty. The whole chunk goes to the simulator
    then: with ``online.simulators: apart`` it is in a process of its own, which steps ahead while
    this one updates, to the same transitions at the same steps.
    """

    def __init__(
        self,
        run: Run,
        data: Path,
        buffer: SequenceBuffer,
        policy: Policy,
        clock: Clock,
        log: Path,
    ) -> None:
        """Start the first episode.

        Args:
            data: folder of the data set, from which some simulators are made.
            buffer: receives the transitions.
            clock: measures the ``policy`` and the ``environment``.
            log: file of transitions, which `restore` reads.
        """
        self.run, self.data, self.buffer, self.policy, self.clock = run, data, buffer, policy, clock
        apart = run.study.online.simulators == "apart"
        self.simulators = make_simulators(str(run), run.task, data, 1, 1, apart)
        self.queue: deque[np.ndarray] = deque()
        self.played: Iterator[Any] = iter(())
        self.ended = False
        self.episodes = 0
        self.last_success = float("nan")
        self._reset()
        self._check_sizes()
        self.log = TransitionLog(log, len(self.observation), self.buffer.actions.shape[-1])

    def close(self) -> None:
        """Stop the simulator's process, if it has one."""
        self.simulators.close()

    def _reset(self) -> None:
        self.observation = self.simulators.reset({0: self._start()})[0]
        self.episodes += 1

    def _start(self) -> int:
        """Return the seed of the episode after those counted."""
        return self.run.derive_seed("online start", self.episodes)

    def _check_sizes(self) -> None:
        in_data = self.buffer.observations.shape[-1]
        if len(self.observation) != in_data:
            self.close()
            raise UserError(
                f"{self.run.task.environment}: observations have {len(self.observation)} "
                f"numbers, but {in_data} in {self.data}; use a data set of this simulator"
            )

    def begin(self) -> None:
        """Let the policy choose a chunk, and the simulator begin it, if the last one is over."""
        if self.queue:
            return
        if self.ended:
            self.observation, self.ended = next(self.played), False
        with self.clock.measure("policy"):
            self.queue.extend(self.policy.act(self.observation[None])[0])
        self._play()

    def _play(self) -> None:
        self.played = self.simulators.play(0, np.stack(self.queue), self._start())

    def step(self) -> None:
        """Take one environment step and append its transition to the buffer and the log."""
        self.begin()
        action = self.queue.popleft()
        with self.clock.measure("environment"):
            result = next(self.played)
        if fault := fault_of(result):
            step = self.log.rows + len(self.log.pending) + 1
            raise UserError(
                f"{self.run}: the simulator gave {fault} at environment step {step}, in episode "
                f"{self.episodes}, and a rerun would too; leave out this task or seed, or lower "
                "learning_rate"
            )
        self.ended = result.terminated or result.truncated
        reward, mask = result.reward, 1.0 - result.terminated
        self.log.add(self.observation, action, reward, mask, self.ended, result.observation)
        self.buffer.append(
            torch.as_tensor(self.observation),
            torch.as_tensor(action),
            reward,
            mask,
            self.ended,
            torch.as_tensor(result.observation),
        )
        self.observation = result.observation
        if self.ended:
            self.last_success = float(result.success)
            self.queue.clear()
            self.episodes += 1

    def state(self) -> dict[str, Any]:
        """Flush the log of transitions, and return what else `restore` needs."""
        return {
            "rows": self.log.flush(),
            "queue": [torch.as_tensor(action) for action in self.queue],
            "episodes": self.episodes,
            "last_success": self.last_success,
            "noise": self.policy.generator.get_state().cpu(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned: fill the buffer and restore the simulator.

        Simulators are deterministic to the bit from a reset seed, so replaying the actions of the
        unfinished episode leads to the state in which it was left.

        Raises:
            UserError: the simulator does not repeat itself, or the log is damaged.
        """
        transitions = self.log.restore(state["rows"])
        if len(transitions) != state["rows"]:
            raise UserError(
                f"{self.log.path}: has only {len(transitions)} of {state['rows']} transitions; "
                "delete its folder to start the run over"
            )
        # Copies: torch takes no column whose stride its elements do not divide.
        columns = (transitions[name].copy() for name in self.log.kind.names or ())
        self.buffer.extend(*map(torch.from_numpy, columns))
        self.episodes = state["episodes"] - 1
        self.last_success = state["last_success"]
        self.policy.generator.set_state(state["noise"].cpu())
        self.queue = deque(action.cpu().numpy() for action in state["queue"])
        self._replay(transitions)
        if self.queue:
            self._play()

    def _replay(self, transitions: np.ndarray) -> None:
        """Replay the transitions of the last, unfinished episode in the simulator."""
        ends = np.flatnonzero(transitions["terminal"])
        opened = transitions[ends[-1] + 1 if len(ends) else 0 :]
        self._reset()
        if not len(opened):
            return
        self.observation = self.simulators.execute({0: opened["action"]})[0].observation
        if not np.array_equal(self.observation, opened[-1]["next_observation"]):
            raise UserError(
                f"{self.run}: the simulator does not reproduce the interrupted episode, as "
                "may happen on another kind of machine; "
                f"delete {self.log.path.parent} to start the run over"
            )
