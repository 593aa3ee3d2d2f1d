"""The world: factors → observations. Knows no model and imports nothing of synthgap."""

from data_gen.errors import InputError
from data_gen.factors import AVMNIST, MAD, Factor, FactorSpace
from data_gen.worlds import World

__all__ = ["AVMNIST", "MAD", "Factor", "FactorSpace", "InputError", "World"]
