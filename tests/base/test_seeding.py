import numpy as np
import pytest

from fmq.base.seeding import derive_seed, global_numpy_seed


def test_derived_seeds_depend_on_every_part_and_on_the_order():
    seeds = [
        derive_seed(0, "train"),
        derive_seed("train", 0),
        derive_seed("0", "train"),
        derive_seed(0, "train", 0),
        derive_seed("0train"),
        derive_seed(),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_derived_seed_is_the_same_on_every_machine_and_in_every_release():
    assert derive_seed(7, "pointmaze", 3) == 3_366_387_116_005_281_699


def test_the_global_generator_is_seeded_inside_and_untouched_outside():
    np.random.seed(5)
    expected = np.random.random(3)
    np.random.seed(5)
    with global_numpy_seed(2**62):
        first = np.random.random(3)
    np.testing.assert_array_equal(np.random.random(3), expected)
    with global_numpy_seed(2**62):
        np.testing.assert_array_equal(np.random.random(3), first)
    with global_numpy_seed(2**62 + 1):
        assert not np.array_equal(np.random.random(3), first)


def test_the_global_generator_is_restored_after_an_error():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()

    def fail() -> None:
        with global_numpy_seed(1):
            np.random.random()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
