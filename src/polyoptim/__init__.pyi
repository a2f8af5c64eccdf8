from polyoptim import callbacks as callbacks
from polyoptim import nn as nn
from polyoptim.errors import ArgumentError as ArgumentError
from polyoptim.errors import CheckpointError as CheckpointError
from polyoptim.errors import ClusterError as ClusterError
from polyoptim.errors import DataError as DataError
from polyoptim.errors import ExportError as ExportError
from polyoptim.errors import ExpressionError as ExpressionError
from polyoptim.errors import MissingDependencyError as MissingDependencyError
from polyoptim.errors import PolyoptimError as PolyoptimError
from polyoptim.errors import ResultFileError as ResultFileError
from polyoptim.errors import StatusError as StatusError
from polyoptim.errors import UnknownNameError as UnknownNameError
from polyoptim.fitting import fit as fit
from polyoptim.racing.advice import Advice as Advice
from polyoptim.racing.advice import advise as advise
from polyoptim.racing.contest import race as race
from polyoptim.racing.landscape import Sweep as Sweep
from polyoptim.racing.landscape import sweep as sweep
from polyoptim.racing.standings import Race as Race
from polyoptim.result import Result as Result
from polyoptim.result import load as load
from polyoptim.solution import Status as Status
from polyoptim.solution import Trace as Trace
from polyoptim.training import train as train

__version__: str
