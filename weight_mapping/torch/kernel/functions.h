// The functions that activations are written with, for a register of floats or doubles, each within a few ulp.
#pragma once
#include <cmath>
#include <limits>

#include "simd.h"

template <class T> inline V<T> where(I<T> condition, V<T> yes, V<T> no) { return condition ? yes : no; }
template <class T> inline V<T> at_least(V<T> x, T bound) { return x < bound ? splat<T>(bound) : x; }  // NaN stays NaN
template <class T> inline V<T> at_most(V<T> x, T bound) { return x > bound ? splat<T>(bound) : x; }
template <class T> inline V<T> absolute(V<T> x) { return x < 0 ? -x : x; }
template <class T> inline V<T> sign(V<T> x) { return x > 0 ? splat<T>(1) : x < 0 ? splat<T>(-1) : x; }

template <class T, class F> inline V<T> by_lane(V<T> x, F function) {
    for (int n = 0; n < WIDTH<T>; n++) x[n] = function(x[n]);
    return x;
}

template <class T> inline V<T> sqrt(V<T> x) { return by_lane<T>(x, [](T one) { return std::sqrt(one); }); }
template <class T> inline V<T> log(V<T> x) { return by_lane<T>(x, [](T one) { return std::log(one); }); }
template <class T> inline V<T> log1p(V<T> x) { return by_lane<T>(x, [](T one) { return std::log1p(one); }); }
template <class T> inline V<T> erf(V<T> x) { return by_lane<T>(x, [](T one) { return std::erf(one); }); }

// e^x = 2^n e^r with |r| <= log(2) / 2.
template <class T> struct Reduced {
    V<T> minus_one;  // e^r - 1, by its Taylor series r^k / k!: the first term left out is below an ulp of r
    I<T> n;
};

template <class T> struct Constants;
template <> struct Constants<float> {
    // Adding it leaves the nearest integer in the lowest bits. log(2) in two parts: n times the first is exact.
    static constexpr float ROUND = 0x1.8p23f, HIGH = 0x1.62e4p-1f, LOW = 0x1.7f7d1cp-20f, LEAST = -110, MOST = 90;
    static constexpr int TERMS = 8, MANTISSA = 23, BIAS = 127;
};
template <> struct Constants<double> {
    static constexpr double ROUND = 0x1.8p52, HIGH = 0x1.62e42feep-1, LOW = 0x1.a39ef35793c76p-33, LEAST = -750, MOST = 720;
    static constexpr int TERMS = 13, MANTISSA = 52, BIAS = 1023;
};

template <class T> constexpr T inverse_factorial(int n) {
    double product = 1;
    for (int k = 2; k <= n; k++) product *= k;
    return T(1 / product);
}

template <class T> inline Reduced<T> reduced(V<T> x) {
    using C = Constants<T>;
    V<T> shifted = x * T(1.4426950408889634) + C::ROUND, n = shifted - C::ROUND;
    V<T> r = x - n * C::HIGH - n * C::LOW;
    V<T> tail = splat<T>(inverse_factorial<T>(C::TERMS));
    for (int k = C::TERMS - 1; k > 0; k--) tail = tail * r + inverse_factorial<T>(k);
    I<T> integer;
    V<T> round = splat<T>(C::ROUND);
    I<T> base;
    memcpy(&integer, &shifted, BYTES);
    memcpy(&base, &round, BYTES);
    return {tail * r, integer - base};
}

template <class T> inline V<T> power_of_two(I<T> n) {
    I<T> bits = (n + Constants<T>::BIAS) << Constants<T>::MANTISSA;
    V<T> found;
    memcpy(&found, &bits, BYTES);
    return found;
}

template <class T> inline V<T> exp(V<T> x) {
    x = at_least<T>(at_most<T>(x, Constants<T>::MOST), Constants<T>::LEAST);
    Reduced<T> e = reduced<T>(x);
    I<T> half = e.n >> 1;  // two factors, so that the ends go to infinity and through the denormals to zero
    return (e.minus_one + T(1)) * power_of_two<T>(half) * power_of_two<T>(e.n - half);
}

// e^x - 1 where 1 still counts beside e^x.
template <class T> inline V<T> expm1_near(V<T> x) {
    Reduced<T> e = reduced<T>(x);
    V<T> scale = power_of_two<T>(e.n);
    return scale * e.minus_one + (scale - T(1));
}

template <class T> inline V<T> expm1(V<T> x) {
    constexpr T most = std::numeric_limits<T>::digits;
    I<T> tiny = absolute<T>(x) < std::numeric_limits<T>::min();  // keeps -0 and the denormals
    return tiny ? x : x > most ? exp<T>(x) : expm1_near<T>(at_least<T>(at_most<T>(x, most), -most));
}

template <class T> inline V<T> tanh(V<T> x) {
    constexpr T most = std::numeric_limits<T>::digits / T(2);
    V<T> e = expm1_near<T>(at_most<T>(absolute<T>(x), most) * T(2)), y = e / (e + T(2));
    I<T> tiny = absolute<T>(x) < std::numeric_limits<T>::min();
    return tiny ? x : x < 0 ? -y : y;
}

template <class T> inline V<T> sigmoid(V<T> x) {
    V<T> e = exp<T>(-absolute<T>(x));
    return (x < 0 ? e : splat<T>(1)) / (e + T(1));
}

template <class T> inline V<T> logaddexp(V<T> a, V<T> b) {
    V<T> most = a > b ? a : b, distance = a - b;
    I<T> equal = a == b;  // also where both are the same infinity
    return most + log1p<T>(exp<T>(-(equal ? V<T>{} : absolute<T>(distance))));
}

template <class T> using Function = void (*)(T* x, long n);           // x becomes a(x)
template <class T> using Slope = void (*)(T* x, T* derivative, long n);  // x becomes a(x), beside a'(x)
