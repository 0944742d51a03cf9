// One SIMD register of the machine's own width, by the compilers' vector extension (gcc and clang alike).
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int BYTES = 64;
constexpr int MAX_ROWS = 6;  // 6 x 4 accumulators, 4 weights: 28 of 32 registers
#elif defined(__AVX__)
constexpr int BYTES = 32;
constexpr int MAX_ROWS = 3;  // 12 accumulators of 16 registers
#elif defined(__aarch64__)
constexpr int BYTES = 16;
constexpr int MAX_ROWS = 6;
#else
constexpr int BYTES = 16;
constexpr int MAX_ROWS = 2;
#endif

template <class T> struct Simd;
template <> struct Simd<float> {
    typedef float V __attribute__((vector_size(BYTES)));
    typedef int32_t I __attribute__((vector_size(BYTES)));
};
template <> struct Simd<double> {
    typedef double V __attribute__((vector_size(BYTES)));
    typedef int64_t I __attribute__((vector_size(BYTES)));
};
template <class T> using V = typename Simd<T>::V;
template <class T> using I = typename Simd<T>::I;  // as many integers of the same width; what a comparison gives
template <class T> constexpr int WIDTH = BYTES / int(sizeof(T));

template <class T> inline V<T> splat(T x) { return x - V<T>{}; }  // x - 0 keeps the sign of zero

template <class T> inline V<T> load(const T* from) {
    V<T> v;
    memcpy(&v, from, BYTES);
    return v;
}

template <class T> inline void store(T* to, V<T> v) { memcpy(to, &v, BYTES); }

// The first n lanes only, n <= WIDTH: the units at the end of a row that fill no register. Other lanes load as 0.
template <class T> inline V<T> load(const T* from, long n) {
    if (n == WIDTH<T>) return load(from);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), from);
    else return _mm512_maskz_loadu_pd(__mmask8((1u << n) - 1), from);
#else
    V<T> v{};
    memcpy(&v, from, n * sizeof(T));
    return v;
#endif
}

template <class T> inline void store(T* to, V<T> v, long n) {
    if (n == WIDTH<T>) return store(to, v);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(to, __mmask16((1u << n) - 1), v);
    else _mm512_mask_storeu_pd(to, __mmask8((1u << n) - 1), v);
#else
    memcpy(to, &v, n * sizeof(T));
#endif
}

// The lanes of a and b (which count on from a's) that the indices name.
template <class T> inline V<T> pick(V<T> a, V<T> b, I<T> indices) {
#if defined(__clang__)
    V<T> found;
    for (int n = 0; n < WIDTH<T>; n++) found[n] = indices[n] < WIDTH<T> ? a[indices[n]] : b[indices[n] - WIDTH<T>];
    return found;
#else
    return __builtin_shuffle(a, b, indices);
#endif
}

// A square of numbers, transposed: blocks off the diagonal change places, smaller ones each time.
template <class T> inline void transpose(V<T> (&square)[WIDTH<T>]) {
#pragma GCC unroll 4
    for (int far = WIDTH<T> / 2; far > 0; far /= 2) {
        I<T> upper{}, lower{};
        for (int lane = 0; lane < WIDTH<T>; lane++) {
            upper[lane] = lane & far ? WIDTH<T> + lane - far : lane;
            lower[lane] = lane & far ? WIDTH<T> + lane : lane + far;
        }
#pragma GCC unroll 16
        for (int row = 0; row < WIDTH<T>; row++) {
            if (row & far) continue;
            V<T> a = square[row], b = square[row + far];
            square[row] = pick<T>(a, b, upper);
            square[row + far] = pick<T>(a, b, lower);
        }
    }
}
