/* The limit: what the same work takes in C, written as fast as is honest.

   RMSprop with alpha 0.99 and eps 1e-8, in float64, every square root and division as IEEE 754 has them. All arrays
   are given by the caller. Compiled by limit.py; with -DPROGRAM it is a program of its own. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define ALPHA 0.99
#define REST (1 - 0.99)
#define EPS 1e-8
#define M 4      /* coefficients */
#define LANES 32 /* runs that go side by side: enough of them to hide the latency of square root and division */

/* Sums over samples gain by registers of 512 bits, square roots and divisions do not. */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target("prefer-vector-width=512")))
#else
#define WIDE
#endif

/* ---- the squared loss as a quadratic: rss + |R c - q|^2, gradient H c - b */

typedef struct {
    double h[M * M], b[M], r[M * M], q[M], rss;
} Quadratic;

static double loss_of(const Quadratic *quadratic, const double *c) {
    double sum = quadratic->rss;
    for (int i = 0; i < M; i++) {
        double residual = -quadratic->q[i];
        for (int j = 0; j < M; j++) residual += quadratic->r[i * M + j] * c[j];
        sum += residual * residual;
    }
    return sum;
}

/* One run: coef is the start and becomes the end; losses takes a row before every update that completes `every`. */
void run_plain(const Quadratic *quadratic, double lr, int64_t steps, int64_t every, double *coef, double *losses) {
    const Quadratic k = *quadratic;
    double c[M], v[M] = {0, 0, 0, 0};
    memcpy(c, coef, sizeof c);
    int64_t rows = steps / every;
    for (int64_t row = 0; row <= rows; row++) {
        int64_t count = row < rows ? every : steps - rows * every;
        for (int64_t made = 0; made < count; made++) {
            double g[M];
            if (row < rows && made == every - 1) losses[row] = loss_of(&k, c);
            for (int i = 0; i < M; i++)
                g[i] = (k.h[i * M] * c[0] + k.h[i * M + 1] * c[1]) +
                       (k.h[i * M + 2] * c[2] + (k.h[i * M + 3] * c[3] - k.b[i]));
            for (int i = 0; i < M; i++) {
                v[i] = ALPHA * v[i] + REST * (g[i] * g[i]);
                c[i] -= lr * g[i] / (sqrt(v[i]) + EPS);
            }
        }
    }
    memcpy(coef, c, sizeof c);
}

#ifdef __AVX2__
/* The same with the four coefficients in one register. */
void run_avx2(const Quadratic *quadratic, double lr, int64_t steps, int64_t every, double *coef, double *losses) {
    const Quadratic k = *quadratic;
    __m256d h0 = _mm256_loadu_pd(k.h), h1 = _mm256_loadu_pd(k.h + 4); /* H is symmetric: a row is a column */
    __m256d h2 = _mm256_loadu_pd(k.h + 8), h3 = _mm256_loadu_pd(k.h + 12), b = _mm256_loadu_pd(k.b);
    __m256d alpha = _mm256_set1_pd(ALPHA), rest = _mm256_set1_pd(REST), eps = _mm256_set1_pd(EPS);
    __m256d rate = _mm256_set1_pd(lr), c = _mm256_loadu_pd(coef), v = _mm256_setzero_pd();
    int64_t rows = steps / every;
    for (int64_t row = 0; row <= rows; row++) {
        int64_t count = row < rows ? every : steps - rows * every;
        for (int64_t made = 0; made < count; made++) {
            if (row < rows && made == every - 1) {
                double now[M];
                _mm256_storeu_pd(now, c);
                losses[row] = loss_of(&k, now);
            }
            __m256d low = _mm256_fmsub_pd(h0, _mm256_permute4x64_pd(c, 0x00), b);
            __m256d high = _mm256_mul_pd(h1, _mm256_permute4x64_pd(c, 0x55));
            low = _mm256_fmadd_pd(h2, _mm256_permute4x64_pd(c, 0xaa), low);
            high = _mm256_fmadd_pd(h3, _mm256_permute4x64_pd(c, 0xff), high);
            __m256d g = _mm256_add_pd(low, high);
            v = _mm256_fmadd_pd(_mm256_mul_pd(rest, g), g, _mm256_mul_pd(alpha, v));
            __m256d size = _mm256_add_pd(_mm256_sqrt_pd(v), eps);
            c = _mm256_sub_pd(c, _mm256_div_pd(_mm256_mul_pd(rate, g), size));
        }
    }
    _mm256_storeu_pd(coef, c);
}
#endif

/* ---- many runs side by side: lanes over runs, each number of a coefficient in an array over the lanes */

static void lanes(const Quadratic *k, const double *lr, int64_t steps, double c[M][LANES]) {
    double v[M][LANES] = {{0}};
    for (int64_t made = 0; made < steps; made++) {
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            double c0 = c[0][lane], c1 = c[1][lane], c2 = c[2][lane], c3 = c[3][lane];
            for (int i = 0; i < M; i++) {
                double g = (k->h[i * M] * c0 + k->h[i * M + 1] * c1) +
                           (k->h[i * M + 2] * c2 + (k->h[i * M + 3] * c3 - k->b[i]));
                double mean = ALPHA * v[i][lane] + REST * (g * g);
                v[i][lane] = mean;
                c[i][lane] -= lr[lane] * g / (sqrt(mean) + EPS);
            }
        }
    }
}

/* All runs start at `start`, shape (M,); lr, losses: shape (runs,); coef: shape (M, runs). */
void sweep(const Quadratic *quadratic, const double *start, const double *lr, int64_t runs, int64_t steps, double *coef,
           double *losses) {
    for (int64_t first = 0; first < runs; first += LANES) {
        double c[M][LANES], rate[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            rate[lane] = lr[first + lane < runs ? first + lane : runs - 1];
            for (int i = 0; i < M; i++) c[i][lane] = start[i];
        }
        lanes(quadratic, rate, steps, c);
        for (int lane = 0; lane < LANES && first + lane < runs; lane++) {
            double end[M];
            for (int i = 0; i < M; i++) coef[i * runs + first + lane] = end[i] = c[i][lane];
            losses[first + lane] = loss_of(quadratic, end);
        }
    }
}

/* ---- on the samples: Huber with delta 1, and the squared loss of minibatches; both as sums */

/* Return the loss of the cubic c on n samples and leave its gradient in g. */
WIDE static double huber(const double *restrict x, const double *restrict y, int64_t n, const double *c, double *g) {
    double c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3], loss = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0;
#pragma omp simd reduction(+ : loss, g0, g1, g2, g3)
    for (int64_t i = 0; i < n; i++) {
        double u = x[i], u2 = u * u, u3 = u2 * u;
        double r = c0 + c1 * u + (c2 * u2 + (c3 * u3 - y[i]));
        double pull = r > -1 ? r : -1; /* as max and min instructions have it */
        pull = pull < 1 ? pull : 1;
        loss += pull * (r - 0.5 * pull);
        g0 += pull, g1 += pull * u, g2 += pull * u2, g3 += pull * u3;
    }
    g[0] = g0, g[1] = g1, g[2] = g2, g[3] = g3;
    return loss;
}

WIDE static double squared(const double *restrict x, const double *restrict y, int64_t n, const double *c, double *g) {
    double c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3], loss = 0, g0 = 0, g1 = 0, g2 = 0, g3 = 0;
#pragma omp simd reduction(+ : loss, g0, g1, g2, g3)
    for (int64_t i = 0; i < n; i++) {
        double u = x[i], u2 = u * u, u3 = u2 * u;
        double r = c0 + c1 * u + (c2 * u2 + (c3 * u3 - y[i]));
        loss += r * r;
        g0 += r, g1 += r * u, g2 += r * u2, g3 += r * u3;
    }
    g[0] = 2 * g0, g[1] = 2 * g1, g[2] = 2 * g2, g[3] = 2 * g3;
    return loss;
}

static void update(const double *g, double lr, double *c, double *v) {
    for (int i = 0; i < M; i++) {
        v[i] = ALPHA * v[i] + REST * (g[i] * g[i]);
        c[i] -= lr * g[i] / (sqrt(v[i]) + EPS);
    }
}

/* Return the loss at the end. */
double run_huber(const double *x, const double *y, int64_t n, double lr, int64_t steps, double *coef) {
    double g[M], v[M] = {0, 0, 0, 0};
    for (int64_t made = 0; made < steps; made++) {
        huber(x, y, n, coef, g);
        update(g, lr, coef, v);
    }
    return huber(x, y, n, coef, g);
}

/* Minibatches: `orders`, shape (epochs, n), are the permutations; room, shape (2 n,), takes the samples in their order.
   The last batch of an epoch is as short as it is. */
double run_batches(const double *x, const double *y, int64_t n, int64_t size, const int64_t *orders, double lr,
                   int64_t steps, double *coef, double *room) {
    double g[M], v[M] = {0, 0, 0, 0}, *u = room, *w = room + n;
    int64_t low = n;
    for (int64_t made = 0; made < steps; made++) {
        if (low >= n) {
            for (int64_t i = 0; i < n; i++) u[i] = x[orders[i]], w[i] = y[orders[i]];
            orders += n;
            low = 0;
        }
        int64_t count = n - low < size ? n - low : size;
        squared(u + low, w + low, count, coef, g);
        update(g, lr, coef, v);
        low += size;
    }
    return squared(x, y, n, coef, g);
}

/* ---- the whole call: samples of sin(x) on [-pi, pi], optimum, run, largest residual */

typedef struct {
    double coef[M], loss, optimum, optimum_coef[M], sup_error, losses[64];
} Whole;

/* x, y: room for n samples. The optimum comes from the normal equations, which keep 10 digits for a cubic. */
void whole_call(const double *start, int64_t n, double lr, int64_t steps, int64_t every, double *x, double *y,
                Whole *out) {
    const double pi = 3.14159265358979323846;
    double moments[2 * M - 1] = {0}, b[M] = {0}, squares = 0, low[M * M] = {0};
    Quadratic k;
    for (int64_t i = 0; i < n; i++) {
        x[i] = -pi + 2 * pi * (double)i / (double)(n - 1);
        y[i] = sin(x[i]);
        squares += y[i] * y[i];
        double power = 1;
        for (int j = 0; j < 2 * M - 1; j++, power *= x[i]) {
            moments[j] += power;
            if (j < M) b[j] += power * y[i];
        }
    }
    for (int i = 0; i < M; i++) /* G = L Lᵀ with R = Lᵀ and q = L⁻¹ b */
        for (int j = 0; j <= i; j++) {
            double sum = moments[i + j];
            for (int l = 0; l < j; l++) sum -= low[i * M + l] * low[j * M + l];
            low[i * M + j] = i == j ? sqrt(sum) : sum / low[j * M + j];
        }
    k.rss = squares;
    for (int i = 0; i < M; i++) {
        double sum = b[i];
        for (int l = 0; l < i; l++) sum -= low[i * M + l] * k.q[l];
        k.q[i] = sum / low[i * M + i];
        k.rss -= k.q[i] * k.q[i];
        k.b[i] = 2 * b[i];
        for (int j = 0; j < M; j++) k.r[i * M + j] = low[j * M + i], k.h[i * M + j] = 2 * moments[i + j];
    }
    for (int i = M - 1; i >= 0; i--) {
        double sum = k.q[i];
        for (int l = i + 1; l < M; l++) sum -= low[l * M + i] * out->optimum_coef[l];
        out->optimum_coef[i] = sum / low[i * M + i];
    }
    memcpy(out->coef, start, sizeof out->coef);
#ifdef __AVX2__
    run_avx2(&k, lr, steps, every, out->coef, out->losses);
#else
    run_plain(&k, lr, steps, every, out->coef, out->losses);
#endif
    const double *c = out->coef;
    out->sup_error = 0;
    for (int64_t i = 0; i < n; i++)
        out->sup_error = fmax(out->sup_error, fabs(c[0] + x[i] * (c[1] + x[i] * (c[2] + x[i] * c[3])) - y[i]));
    out->loss = loss_of(&k, c);
    out->optimum = k.rss;
}

#ifdef PROGRAM
#include <stdio.h>
#include <stdlib.h>

/* The lesson as a program: its arguments are the four coefficients of the start. */
int main(int count, char **words) {
    static double x[2000], y[2000];
    double start[M];
    Whole found;
    if (count != 1 + M) return 2;
    for (int i = 0; i < M; i++) start[i] = atof(words[1 + i]);
    whole_call(start, 2000, 1e-3, 2000, 100, x, y, &found);
    for (int row = 0; row < 20; row++) printf("%d %.17g\n", 100 * row + 99, found.losses[row]);
    const double *c = found.coef;
    printf("Result: y = %.17g + %.17g x + %.17g x^2 + %.17g x^3\n", c[0], c[1], c[2], c[3]);
    return 0;
}
#endif
