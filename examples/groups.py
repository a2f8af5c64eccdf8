"""
Many groups, and more than memory
=================================

Three thousand sensors each need a line of their own, and the rows of one of them come in files that are too large to
hold. Is that a matter of patience? And is the sum of so many numbers still the same when they come in another order?
"""

# %%
# A polynomial for each sensor
# ----------------------------
#
# Each sensor is read at 20 temperatures. A column has the sensor's number. Three sensors are noisy, and the last one
# was read only twice, at one temperature.

import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import polyoptim

random = np.random.default_rng(0)
sensors, readings = 3000, 20
sensor = np.repeat(np.arange(sensors), readings)
temperature = np.tile(np.linspace(0, 50, readings), sensors)
noise = np.where(np.isin(sensor, [700, 1500, 2222]), 0.1, 0.01)
voltage = random.normal(size=sensors)[sensor] + 0.04 * temperature + noise * random.normal(size=sensor.size)
sensor = np.append(sensor, [3000, 3000])
temperature, voltage = np.append(temperature, [20, 20]), np.append(voltage, [0.7, 0.8])

# %%
# ``by`` names the groups. What comes back is a ``ResultTable`` with an entry for each.

start = time.perf_counter()
table = polyoptim.fit(temperature, voltage, by=sensor, degree=1)
print(f"{len(table)} fits in {time.perf_counter() - start:.2f} s")
print(table.statuses)

# %%
# One group has no line. It did not stop the others, and it says why:

print(table.messages)

# %%
# The columns of the table are arrays. So a question about all sensors is one line: whose readings scatter most?

worst = np.argsort(np.nan_to_num(table.sigma))[-3:]
print("noisiest:", table.labels[worst], table.sigma[worst].round(3))

figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
axes = figure.subplots()
axes.semilogy(table.labels, table.sigma, ".", color="#0072B2", markersize=3, label="a sensor")
axes.semilogy(table.labels[worst], table.sigma[worst], "s", color="#D55E00", label="the noisiest three")
axes.set(xlabel="sensor", ylabel="residual standard deviation in V")
axes.legend(loc="center left")
axes.grid(alpha=0.25)
figure.set_label("The scatter of each of 3000 sensors: a narrow band, and three far above it.")
figure

# %%
# One of them is looked at more closely: ``table[label]`` is a whole result, with errors, bands and a picture.

table[2222].plot()

# %%
# More than memory
# ----------------
#
# A path in place of the data is read in pieces: CSV, also compressed, or Parquet; one file, or many with a pattern.
# What the fit follows from is a few sums over the rows, so they need not be held. Here are 200 000 rows in four files.
# The program is the same for files that no memory holds.

folder = tempfile.TemporaryDirectory()
t = random.uniform(0, 10, 200_000)
y = 1 + 0.5 * t - 0.02 * t**2 + 0.1 * random.normal(size=t.size)


def write(order, names):
    """Write the rows, in some order, into files."""
    for name, rows in zip(names, np.array_split(order, len(names)), strict=True):
        lines = [f"{a!r},{b!r}\n" for a, b in zip(t[rows].tolist(), y[rows].tolist(), strict=True)]
        Path(folder.name, name).write_text("t,y\n" + "".join(lines))


write(np.arange(t.size), ["first1.csv", "first2.csv", "first3.csv", "first4.csv"])
files = polyoptim.fit(f"{folder.name}/first*.csv", x="t", y="y", degree=2)
print(files.count, "rows:", files.formula)

# %%
# The same bits in any order
# --------------------------
#
# Sums of floats depend on the order of their terms: (0.1 + 0.2) + 0.3 is not 0.1 + (0.2 + 0.3). So with other files, or
# another number of cores, the last digits of a fit change, and two runs are hard to compare. Shuffle the rows into
# seven files, and look at all digits:

shuffled = random.permutation(t.size)
write(shuffled, [f"again{k}.csv" for k in range(7)])
again = polyoptim.fit(f"{folder.name}/again*.csv", x="t", y="y", degree=2)
memory = polyoptim.fit(t, y, degree=2)

print("sums of floats, two orders:", (0.1 + 0.2) + 0.3 == 0.1 + (0.2 + 0.3))
print("numpy.polyfit, two orders: ", (np.polyfit(t, y, 2) == np.polyfit(t[shuffled], y[shuffled], 2)).tolist())
print("polyoptim, four files:     ", files.stats["coef_power"])
print("polyoptim, seven files:    ", again.stats["coef_power"])
print("polyoptim, in memory:      ", memory.stats["coef_power"])
print("all the same bits:", files.stats["coef_power"] == again.stats["coef_power"] == memory.stats["coef_power"])
folder.cleanup()

# %%
# It is not luck. Each row adds whole numbers to the sums, multiples of a tiny power of two, and whole numbers have one
# sum in any order. So the promise holds for errors and R² as well, for any chunks, threads and machines.
#
# Where to go next
# ----------------
#
# The same from the command line, and on the workers of a cluster:
#
# .. code-block:: console
#
#     $ polyoptim fit "data/*.parquet" --x t --y v --degree 2 --by sensor --save table.csv
#     $ polyoptim fit "data/*.parquet" --x t --y v --degree 2 --scheduler tcp://host:8786
#
# Robust losses reach their optimum from files too: try ``loss="huber"``. And compare ``numpy.polyfit`` with ``fit`` on
# ``t + 1e6``, far from zero. So much for data; a function is replaced in `exp2 in a kernel <exp2_kernel.html>`_.
