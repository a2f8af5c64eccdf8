"""PolynomialRegressor: fit() and train() as an estimator of scikit-learn."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from polyoptim.errors import ArgumentError, DataError, RankError, RankWarning
from polyoptim.fitting import fit
from polyoptim.result import Result, read
from polyoptim.solution import Status
from polyoptim.targets.reals import reals
from polyoptim.targets.repeats import merged
from polyoptim.targets.samples import Samples, check_lengths, check_weight, column, columns_of
from polyoptim.training import train
from polyoptim.undetermined import fit_undetermined

Array = npt.NDArray[np.float64]

FIT = "fit"
BOTH = ("degree", "basis", "loss", "loss_options")
OF_FIT = ("powers", "fixed", "through", "domain", "ridge", "missing", "exact")
OF_TRAINING = (
    "mapped", "reduction", "lr", "optimizer_options", "schedule", "schedule_options", "steps", "batch_size", "every",
    "tol_loss", "tol_gradient", "random_state", "engine", "dtype", "device",
)  # fmt: skip
LARGEST_DRAWN = 2**31 - 1


class PolynomialRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A polynomial in one or several features, fitted at once or trained by an optimizer.

    Every parameter is that of ``polyoptim.fit`` or ``polyoptim.train`` of the same name, and wrong ones raise the same
    sentences. What belongs to the other method has to keep its default.

    Parameters
    ----------
    method : "fit" for ``polyoptim.fit``, or the name of an optimizer for ``polyoptim.train``: "Adam", "LBFGS", …
    degree : highest power; with several features the highest total power.
    basis : in which `coef_` stands; with several features "chebyshev" or "power".
    loss, loss_options : how far a residual is, by name.
    powers, fixed, through, domain, ridge, missing, exact : of ``fit``. `powers` and `domain` are also of ``train``
        where there is one feature. With ``missing="drop"`` rows with NaN are left out of the fit and predicted as NaN.
    mapped, reduction, lr, optimizer_options, schedule, schedule_options, steps, batch_size, every, tol_loss, \
tol_gradient, engine, dtype, device : of ``train``. Here the loss is a mean, so that a learning rate does not depend on
        the number of rows; the learning rate is the optimizer's own; and the engine is "auto": float64, without torch
        where that is possible.
    random_state : the seed of ``train``, an integer or a generator; None draws one.

    Attributes
    ----------
    result_ : the Result, with formula, statistics, ``predict`` with bands, ``export``, ….
    coef_ : coefficients in `basis`, lowest degree first; with several features in the order of ``result_.terms``.
    n_features_in_ : the number of features.
    feature_names_in_ : their names, where they are texts.
    n_iter_ : updates that were made; 0 for "fit".

    Notes
    -----
    A `sample_weight` of 2 counts as the row given twice, one of 0 as no row. With `batch_size` it does not, as a
    minibatch holds so many rows whatever they weigh: this is the one check of scikit-learn that then fails. Without,
    rows that repeat each other are merged before training, so that the two are the same to the last bit.

    Where the samples do not determine the coefficients, ``fit`` raises RankError. Here the polynomial with the least
    coefficients is taken, with a RankWarning, and the status of the result is "rank_deficient".

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = PolynomialRegressor(degree=2).fit(X, [1.0, 2.0, 5.0, 10.0])
    >>> model.predict([[4.0]]).round(9).tolist(), model.result_.formula
    ([17.0], 'y = 1 + x**2')
    """

    def __init__(
        self,
        method: str = FIT,
        *,
        degree: Any = 3,
        basis: str = "chebyshev",
        loss: str = "squared",
        loss_options: Mapping[str, Any] | None = None,
        powers: Sequence[Any] | None = None,
        fixed: Mapping[Any, Any] | None = None,
        through: Any = None,
        domain: Any = None,
        ridge: Any = 0.0,
        missing: str = "raise",
        exact: bool = False,
        mapped: bool | None = None,
        reduction: str = "mean",
        lr: Any = None,
        optimizer_options: Mapping[str, Any] | None = None,
        schedule: Any = None,
        schedule_options: Mapping[str, Any] | None = None,
        steps: Any = 2000,
        batch_size: Any = None,
        every: Any = 100,
        tol_loss: Any = None,
        tol_gradient: Any = None,
        random_state: Any = None,
        engine: str = "auto",
        dtype: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.method = method
        self.degree = degree
        self.basis = basis
        self.loss = loss
        self.loss_options = loss_options
        self.powers = powers
        self.fixed = fixed
        self.through = through
        self.domain = domain
        self.ridge = ridge
        self.missing = missing
        self.exact = exact
        self.mapped = mapped
        self.reduction = reduction
        self.lr = lr
        self.optimizer_options = optimizer_options
        self.schedule = schedule
        self.schedule_options = schedule_options
        self.steps = steps
        self.batch_size = batch_size
        self.every = every
        self.tol_loss = tol_loss
        self.tol_gradient = tol_gradient
        self.random_state = random_state
        self.engine = engine
        self.dtype = dtype
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None, sigma: Any = None) -> Self:  # noqa: N803
        """Fit or train the polynomial.

        Parameters
        ----------
        X : shape (n, p).
        y : shape (n,).
        sample_weight : multiplies the loss of each row, shape (n,).
        sigma : the standard deviation of each y, shape (n,): sample_weight = 1/sigma², and absolute standard errors.
            For the method "fit".

        Raises
        ------
        ArgumentError, DataError
            With the sentences of ``polyoptim.fit`` and ``polyoptim.train``.
        """
        table = _table(X)
        validate_data(self, X, reset=True, skip_check_array=True)
        wanted = self._target(y)
        self._check_agreement(sigma)
        if self.method == FIT:
            self.result_ = self._fitted(table, wanted, sample_weight, sigma)
        else:
            self.result_ = self._trained(table, wanted, sample_weight)
        self._describe()
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the polynomial at X, shape (n, p) to (n,); ``result_.predict`` has bands too."""
        check_is_fitted(self)
        table = _table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        found: Array = self.result_(_numbers(table, missing=self.missing == "drop"))
        return found

    def _describe(self) -> None:
        self.coef_, self.n_iter_ = self.result_.coef, self.result_.steps

    def _target(self, y: Any) -> Any:
        if y is None:
            raise DataError(f"{type(self).__name__} requires y to be passed, but the target y is None. Give fit(X, y).")
        values = y if isinstance(y, np.ma.MaskedArray) else np.asarray(y)
        if values.ndim != 2 or values.shape[1] != 1:
            return values
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Pass y of shape (n,), as y.ravel() is.",
            DataConversionWarning,
            stacklevel=3,
        )
        return values[:, 0]

    def _check_agreement(self, sigma: Any) -> None:
        """Refuse what the method does not look at, rather than to leave it out in silence."""
        fits = self.method == FIT
        others = OF_TRAINING if fits else ("fixed", "through", "ridge", "missing", "exact")
        defaults = inspect.signature(type(self).__init__).parameters
        given = [name for name in others if _differs(getattr(self, name), defaults[name].default)]
        given = [name for name in given if not (fits and name == "random_state")]  # set by name from outside
        given += ["sigma"] if sigma is not None and not fits else []
        if given:
            raise ArgumentError(
                f"{', '.join(given)}: not for method {self.method!r}, which does not look at them. Leave them out, or "
                f"choose {'an optimizer such as ' + repr('Adam') if fits else repr(FIT)} as method."
            )

    def _fitted(self, x: Any, y: Any, weight: Any, sigma: Any) -> Result:
        given = {name: getattr(self, name) for name in (*BOTH, *OF_FIT)}
        try:
            return fit(x, y, weight=weight, sigma=sigma, **given)
        except RankError as error:
            said = str(error)
        result = fit_undetermined(x, y, said, weight=weight, sigma=sigma, **given)
        if result.status is Status.RANK_DEFICIENT:
            warnings.warn(result.message, RankWarning, stacklevel=3)
        return result

    def _trained(self, x: Any, y: Any, weight: Any) -> Result:
        given = {name: getattr(self, name) for name in (*BOTH, *OF_TRAINING, "powers") if name != "random_state"}
        given |= {"optimizer": self.method, "seed": _seed(self.random_state)}
        given |= {} if self.domain is None else {"domain": self.domain}
        samples = _samples(x, y, weight, merge=self.batch_size is None)
        return train(samples.x, samples.y, weight=samples.weight, **given)

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters, and the result as the bytes of its own JSON."""
        state = dict(super().__getstate__())
        if "result_" in state:
            state["result_"] = state["result_"].to_bytes()
            del state["coef_"], state["n_iter_"]
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take what `__getstate__` returned; the result is read with all checks of a saved file."""
        super().__setstate__(dict(state))
        if "result_" in state:
            self.result_ = read(state["result_"], "the pickled PolynomialRegressor")
            self._describe()

    def __sklearn_tags__(self) -> Tags:
        """Return what scikit-learn asks about estimators."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "drop"
        return tags


def _table(X: Any) -> Any:  # noqa: N803
    """Return the features as an array of shape (n, p), masked where they are, of whatever they hold."""
    if hasattr(X, "toarray"):
        raise DataError(f"X is a sparse {type(X).__name__}, which is not supported. Pass X.toarray().")
    table = X if isinstance(X, np.ma.MaskedArray) else np.asarray(X)
    if table.ndim != 2:
        raise DataError(
            f"X must have two dimensions, got shape {table.shape}. Reshape your data: X.reshape(-1, 1) for one feature."
        )
    return table


def _numbers(table: Any, *, missing: bool = False) -> Array:
    """Return features as float64, shape (n,) for one of them, else (n, p); NaN passes where it may be missing."""
    columns = {
        name: reals(np.asarray(values), name, lambda place, name=name: f"{name}[{place}]")  # type: ignore[misc]
        if missing
        else column(values, name)
        for name, values in columns_of(table).items()
    }
    return columns["x"] if "x" in columns else np.stack(list(columns.values()), axis=-1)


def _samples(table: Any, y: Any, weight: Any, *, merge: bool) -> Samples:
    """Return the rows that a run sees: those with a weight, and each once where they may be merged."""
    x, wanted = _numbers(table), column(y, "y")
    weights = None if weight is None else column(weight, "weight")
    check_lengths(x=x, y=wanted, weight=weights)
    check_weight(weights)
    if merge:
        return merged(Samples(x, wanted, weights))
    kept = slice(None) if weights is None else weights > 0
    return Samples(x[kept], wanted[kept], None if weights is None else weights[kept])


def _seed(random_state: Any) -> Any:
    """Return the seed of a run: a generator draws one."""
    if isinstance(random_state, np.random.RandomState):
        return int(check_random_state(random_state).randint(LARGEST_DRAWN))
    return random_state


def _differs(value: Any, default: Any) -> bool:
    return not (value is default or (type(value) is type(default) and value == default))
