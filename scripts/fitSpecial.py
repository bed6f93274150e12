"""Writes src/kernels/assembly/specialFits.ts: polynomial fits of special functions, computed with mpmath.

Each fit is a truncated Chebyshev expansion on [-1, 1], written as a polynomial in t. Run: python3 scripts/fitSpecial.py
"""

import mpmath as mp

mp.mp.dps = 60
LINES = []


def cheb(f, tol):
    """Monomial coefficients (lowest first) of the Chebyshev series of f on [-1, 1], cut at tol relative to its size."""
    n = 64
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / n) for k in range(n)]
    values = [f(x) for x in nodes]
    c = [2 * sum(v * mp.cos(mp.pi * j * (k + mp.mpf(1) / 2) / n) for k, v in enumerate(values)) / n for j in range(n)]
    c[0] /= 2
    size = max(abs(v) for v in values)
    degree = max(j for j in range(n) if abs(c[j]) > tol * size)
    if degree > 50:
        raise ValueError("no convergence")
    a, b = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    out = [mp.mpf(0)] * (degree + 1)
    for j in range(degree + 1):
        for i, v in enumerate(a):
            out[i] += c[j] * v
        a, b = b, [2 * (b[i - 1] if i else 0) - (a[i] if i < len(a) else 0) for i in range(len(b) + 1)]
    return out


def emit(name, doc, coefficients, arg="t"):
    """One function: Horner's rule, four coefficients a line."""
    lit = [repr(float(v)) for v in coefficients][::-1]
    LINES.append(f"/** {doc} */")
    LINES.append(f"export function {name}({arg}: f64): f64 {{")
    LINES.append(f"  let p: f64 = {lit[0]};")
    rest = lit[1:]
    while rest:
        k = min(4, len(rest))
        LINES.append(f"  p = h{k}(p, {arg}, {', '.join(rest[:k])});")
        rest = rest[k:]
    LINES.append("  return p;")
    LINES.append("}")
    LINES.append("")


def fit(name, doc, f, tol=mp.mpf(2) ** -56):
    co = cheb(f, tol)
    worst = 0
    import struct
    for i in range(-200, 201):
        t = i / 200
        p = 0.0
        for v in co[::-1]:
            p = p * t + float(v)
        exact = f(mp.mpf(t)) if not (t == -1 and name in OPEN) else None
        if exact:
            worst = max(worst, abs((p - exact) / exact))
    print(name, len(co) - 1, mp.nstr(worst, 3))
    emit(name, doc, co)


OPEN = {"i0Far", "i1Far", "k0Far", "k1Far", "bessel0P", "bessel0Q", "bessel1P", "bessel1Q", "airyFar", "airyF", "airyG", "erfcxFit"}


def inverse(scale):
    """t in (-1, 1] to x = 2 scale/(t + 1), so that t = 2 scale/x - 1 covers x >= scale."""
    return lambda t: 2 * scale / (t + 1)


# ---- gamma ----
def lg(x):
    if x == 1:
        return mp.euler
    if x == 2:
        return 1 - mp.euler
    return mp.loggamma(x) / ((x - 1) * (x - 2))


fit("lgammaNear1", "lgamma(x) / ((x-1)(x-2)), x = 1 + t/2.", lambda t: lg(1 + t / 2))
fit("lgammaNear2", "lgamma(x) / ((x-1)(x-2)), x = 2.25 + 0.75 t.", lambda t: lg(mp.mpf(9) / 4 + 3 * t / 4))


# ---- error function ----
def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x) if x < 40 else (mp.nsum(lambda k: (-1) ** int(k) * mp.fac2(2 * k - 1) / (2 * x * x) ** k, [0, 20]) if x < mp.inf else 1) / (x * mp.sqrt(mp.pi))


def erfcxF(t):
    x = mp.mpf(3.75) * (1 + t) / (1 - t)
    if x > 40:
        s, term = mp.mpf(0), mp.mpf(1)
        for k in range(30):
            s += term
            term *= -(2 * k + 1) / (2 * x * x)
        return (1 + 2 * x) / (x * mp.sqrt(mp.pi)) * s
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


# split at t = 0 (x = 3.75): two expansions of half the width
fit("erfcxNear", "(1 + 2x) erfcx(x) for 0 <= x <= 3.75, (x - 3.75)/(x + 3.75) = (t - 1)/2.", lambda t: erfcxF((t - 1) / 2))
fit("erfcxFar", "(1 + 2x) erfcx(x) for x >= 3.75, (x - 3.75)/(x + 3.75) = (t + 1)/2.", lambda t: erfcxF((t + 1) / 2) if t < 1 else 2 / mp.sqrt(mp.pi))


def quantile(y):
    return -mp.sqrt(2) * mp.erfinv(1 - 2 * y)


def quantile_tail(z):
    """-ndtri(exp(-z²/2)), by Newton on log erfc."""
    target = -z * z / 2
    x = z - mp.log(z * mp.sqrt(2 * mp.pi)) / z if z > 3 else mp.mpf(1)
    for _ in range(60):
        tail = mp.erfc(x / mp.sqrt(2)) / 2
        step = (mp.log(tail) - target) * tail / (mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi))
        x += step
        if abs(step) < mp.mpf(10) ** -50:
            break
    return x


def central(t):
    w = (t + 1) / 2 * mp.mpf("0.14")  # (y - 1/2)²
    p = mp.sqrt(w)
    return quantile(mp.mpf(1) / 2 + p) / p if p > mp.mpf(10) ** -20 else mp.sqrt(2 * mp.pi)


fit("ndtriCentre", "ndtri(1/2 + p) / p, p² = 0.07 (t + 1).", central)
TAIL = [(2, 3), (3, 6), (6, 39)]
for i, (lo, hi) in enumerate(TAIL):
    a, b = 1 / mp.mpf(hi), 1 / mp.mpf(lo)

    def tail(t, a=a, b=b):
        z = 1 / (a + (b - a) * (t + 1) / 2)
        return (z - mp.log(z) / z - quantile_tail(z)) * z

    fit(f"ndtriTail{i}", f"z (z - log(z)/z + ndtri(exp(-z²/2))), 1/z from 1/{hi} to 1/{lo}.", tail)

# ---- modified Bessel ----
fit("i0Near", "exp(-x) I0(x), x = 4 (t + 1).", lambda t: mp.exp(-4 * (t + 1)) * mp.besseli(0, 4 * (t + 1)))
fit("i0Far", "sqrt(x) exp(-x) I0(x), x = 16/(t + 1).", lambda t: (lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(0, x))(16 / (t + 1)))
fit("i1Near", "exp(-x) I1(x) / x, x = 4 (t + 1).", lambda t: (lambda x: mp.exp(-x) * mp.besseli(1, x) / x if x else mp.mpf(1) / 2)(4 * (t + 1)))
fit("i1Far", "sqrt(x) exp(-x) I1(x), x = 16/(t + 1).", lambda t: (lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(1, x))(16 / (t + 1)))


def near_k0(x):
    return mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x) if x else -mp.euler


def near_k1(x):
    return x * (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x)) if x else mp.mpf(1)


fit("k0Near", "K0(x) + log(x/2) I0(x), x² = 2 (t + 1).", lambda t: near_k0(mp.sqrt(2 * (t + 1))))
fit("k1Near", "x (K1(x) - log(x/2) I1(x)), x² = 2 (t + 1).", lambda t: near_k1(mp.sqrt(2 * (t + 1))))
for lo, hi, tag in ((2, 8, "Mid"), (8, mp.inf, "Far")):
    a, b = 1 / mp.mpf(hi), 1 / mp.mpf(lo)
    for nu in (0, 1):

        def k(t, nu=nu, a=a, b=b):
            u = a + (b - a) * (t + 1) / 2
            x = 1 / u
            return mp.sqrt(x) * mp.exp(x) * mp.besselk(nu, x)

        OPEN.add(f"k{nu}Far")
        fit(f"k{nu}{tag}", f"sqrt(x) exp(x) K{nu}(x), x from {lo} to {'infinity' if hi == mp.inf else hi}, linear in 1/x.", k)

# ---- Bessel ----
R01, R02, R11 = mp.besseljzero(0, 1) ** 2, mp.besseljzero(0, 2) ** 2, mp.besseljzero(1, 1) ** 2


def root(x2, f, r):
    return f(mp.sqrt(x2)) / r if x2 else f(mp.mpf(0)) / r


fit("j0Near", "J0(x) / ((x² - a²)(x² - b²)), a and b its first zeros, x² = 12.5 (t + 1).",
    lambda t: mp.besselj(0, mp.sqrt(12.5 * (t + 1))) / ((12.5 * (t + 1) - R01) * (12.5 * (t + 1) - R02)))
fit("j1Near", "J1(x) / (x (x² - a²)), a its first zero, x² = 12.5 (t + 1).",
    lambda t: (lambda x: (mp.besselj(1, x) / x if x else mp.mpf(1) / 2) / (x * x - R11))(mp.sqrt(12.5 * (t + 1))))
fit("y0Near", "Y0(x) - 2/pi log(x) J0(x), x² = 12.5 (t + 1).",
    lambda t: (lambda x: mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.besselj(0, x) if x else 2 / mp.pi * (mp.euler - mp.log(2)))(mp.sqrt(12.5 * (t + 1))))
fit("y1Near", "(Y1(x) - 2/pi (log(x) J1(x) - 1/x)) / x, x² = 12.5 (t + 1).",
    lambda t: (lambda x: (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x if x else (2 * mp.euler - 1 - 2 * mp.log(2)) / (2 * mp.pi))(mp.sqrt(12.5 * (t + 1))))


def hankel(nu, x, odd):
    """P (even) and x Q (odd) of J = sqrt(2/(pi x)) (P cos(chi) - Q sin(chi)), chi = x - nu pi/2 - pi/4."""
    chi = x - nu * mp.pi / 2 - mp.pi / 4
    j, y = mp.besselj(nu, x), mp.bessely(nu, x)
    s = mp.sqrt(mp.pi * x / 2)
    return x * s * (y * mp.cos(chi) - j * mp.sin(chi)) if odd else s * (j * mp.cos(chi) + y * mp.sin(chi))


for lo, hi, tag in ((5, 10, "Mid"), (10, mp.inf, "Far")):
    a, b = 1 / mp.mpf(hi) ** 2, 1 / mp.mpf(lo) ** 2
    for nu in (0, 1):
        for odd in (0, 1):

            def h(t, nu=nu, odd=odd, a=a, b=b):
                u = a + (b - a) * (t + 1) / 2
                return hankel(nu, 1 / mp.sqrt(u), odd)

            name = f"{'q' if odd else 'p'}{nu}{tag}"
            OPEN.add(name)
            fit(name, f"Hankel's {'x Q' if odd else 'P'} of order {nu}, x from {lo} to {'infinity' if hi == mp.inf else hi}, linear in 1/x².", h)

# ---- Airy ----
fit("airyNear", "Ai(2.125 t).", lambda t: mp.airyai(mp.mpf(17) / 8 * t))


def zeta_to_x(z):
    return (mp.mpf(3) / 2 * z) ** (mp.mpf(2) / 3)


for lo, hi, tag in ((2, 6, "Mid"), (6, mp.inf, "Far")):
    a, b = 1 / mp.mpf(hi), 1 / mp.mpf(lo)

    def ai(t, a=a, b=b):
        z = 1 / (a + (b - a) * (t + 1) / 2)
        x = zeta_to_x(z)
        return mp.airyai(x) * mp.exp(z) * mp.sqrt(mp.sqrt(x))

    OPEN.add("airy" + tag)
    fit("airy" + tag, f"x^(1/4) exp(z) Ai(x), z = 2/3 x^(3/2) from {lo} to {'infinity' if hi == mp.inf else hi}, linear in 1/z.", ai)
for lo, hi, tag in ((2, 6, "Mid"), (6, mp.inf, "Far")):
    a, b = 1 / mp.mpf(hi) ** 2, 1 / mp.mpf(lo) ** 2
    for odd in (0, 1):

        def fg(t, a=a, b=b, odd=odd):
            z = 1 / mp.sqrt(a + (b - a) * (t + 1) / 2)
            x = zeta_to_x(z)
            s, c = mp.sin(z + mp.pi / 4), mp.cos(z + mp.pi / 4)
            m = mp.sqrt(mp.sqrt(x))
            av, bv = mp.airyai(-x), mp.airybi(-x)
            return z * m * (bv * s - av * c) if odd else m * (av * s + bv * c)

        name = f"airy{'G' if odd else 'F'}{tag}"
        OPEN.add(name)
        fit(name, f"{'z G' if odd else 'F'} of x^(1/4) Ai(-x) = F sin(z + pi/4) - G cos(z + pi/4), z from {lo} to {'infinity' if hi == mp.inf else hi}, linear in 1/z².", fg)

# ---- Temme's coefficients of the incomplete gamma function (DLMF 8.12.9 to 8.12.11) ----
ORDER, TERMS = 8, 24
# lambda - 1 = mu as a series in eta: eta²/2 = mu - log(1 + mu), hence mu mu' = eta (1 + mu).
count = TERMS + 2 * ORDER + 6
mu = [mp.mpf(0), mp.mpf(1)]
for n in range(2, count):
    # coefficient of eta^n in mu mu' = eta + eta mu: (n + 1) mu_1 mu_n + sum_{i=2}^{n-1} mu_i (n + 1 - i) mu_{n+1-i} = mu_{n-1}
    mu.append((mu[n - 1] - sum(mu[i] * (n + 1 - i) * mu[n + 1 - i] for i in range(2, n))) / (n + 1))
inv = [mp.mpf(1)]  # eta / mu
for n in range(1, count - 1):
    inv.append(-sum(mu[i + 1] * inv[n - i] for i in range(1, n + 1)))
stirling = [mp.mpf(1)]  # g_k of Gamma(a) ~ sqrt(2 pi/a) (a/e)^a sum g_k a^-k
log_series = [mp.mpf(0)] * (ORDER + 2)
for k in range(1, ORDER + 2, 2):
    log_series[k] = mp.bernoulli(k + 1) / (k * (k + 1))
for k in range(1, ORDER + 1):
    stirling.append(sum(i * log_series[i] * stirling[k - i] for i in range(1, k + 1)) / k)
c = [inv[n + 1] for n in range(count - 2)]  # 1/mu - 1/eta
for k in range(ORDER):
    if k:
        # c_k = (1/eta) c_{k-1}' + (-1)^k g_k / mu: the poles cancel.
        prev, c = c, []
        for n in range(len(prev) - 2):
            c.append((n + 2) * prev[n + 2] + (-1) ** k * stirling[k] * inv[n + 1])
    keep = [v for n, v in enumerate(c[:TERMS]) if abs(v) * mp.mpf("0.35") ** n / mp.mpf(200) ** k > mp.mpf(10) ** -19 or n == 0]
    emit(f"temme{k}", f"c_{k} of Temme's expansion in eta.", c[: len(keep)], "eta")
    print("temme", k, len(keep), mp.nstr(c[:4], 8))

HEAD = '''/** Polynomial fits behind the special functions, written by scripts/fitSpecial.py; do not edit. */

// @ts-ignore: decorator
@inline function h1(p: f64, t: f64, a: f64): f64 {
  return p * t + a;
}
// @ts-ignore: decorator
@inline function h2(p: f64, t: f64, a: f64, b: f64): f64 {
  return (p * t + a) * t + b;
}
// @ts-ignore: decorator
@inline function h3(p: f64, t: f64, a: f64, b: f64, c: f64): f64 {
  return ((p * t + a) * t + b) * t + c;
}
// @ts-ignore: decorator
@inline function h4(p: f64, t: f64, a: f64, b: f64, c: f64, d: f64): f64 {
  return (((p * t + a) * t + b) * t + c) * t + d;
}

'''
with open("src/kernels/assembly/specialFits.ts", "w") as f:
    f.write(HEAD + "\n".join(LINES).rstrip() + "\n")
