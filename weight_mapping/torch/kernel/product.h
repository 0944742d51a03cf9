// rows x matrix for a few rows at a time. The matrix is packed once into panels: [panel][k][column][lane], where a
// column is one register of units; the tile of rows x columns stays in registers through the whole sum over k.
#pragma once
#include <cstdlib>
#include <memory>

#include "simd.h"
#include "team.h"

template <class T> struct Buffer {
    std::unique_ptr<T, void (*)(void*)> data;
    explicit Buffer(long n) : data((T*)aligned_alloc(64, (n * sizeof(T) + 127) / 64 * 64), free) {}
    T* get() const { return data.get(); }
};

// The columns of a panel are gates of one block of units (`gates` of them, their order in the matrix in `order`), or
// where there is one gate, neighbouring blocks.
template <class T> struct Panels {
    long k, units, columns, blocks, count;
    bool gates;
    Buffer<T> data;

    Panels(long k, long units, long gate_columns)
        : k(k), units(units), blocks((units + WIDTH<T> - 1) / WIDTH<T>), gates(gate_columns > 1),
          data((gate_columns > 1 ? blocks * gate_columns : (blocks + 3) / 4 * 4) * k * WIDTH<T>) {
        columns = gates ? gate_columns : blocks < 4 ? blocks : 4;
        count = gates ? blocks : (blocks + columns - 1) / columns;
    }

    T* panel(long p) const { return data.get() + p * k * columns * WIDTH<T>; }
    long block(long p, long column) const { return gates ? p : p * columns + column; }

    // Matrix (gate rows of units, k): one output a row. `order[column]` is the gate's place in it.
    void pack_rows(const T* matrix, const int* order, Range panels) {
        constexpr long W = WIDTH<T>;
        for (long p = panels.begin; p < panels.end; p++)
            for (long c = 0; c < columns; c++) {
                long first = block(p, c) * W, lanes = units - first < W ? units - first : W;
                const T* from = matrix + ((gates ? order[c] * units : 0) + first) * k;
                for (long i = 0; i < k; i += W) {
                    const long some = k - i < W ? k - i : W;
                    V<T> square[W];
                    for (long lane = 0; lane < W; lane++)
                        square[lane] = lane < lanes ? load(from + lane * k + i, some) : V<T>{};
                    transpose<T>(square);
                    for (long n = 0; n < some; n++) store(panel(p) + ((i + n) * columns + c) * W, square[n]);
                }
            }
    }

    // Matrix (k, units): one output a column.
    void pack_columns(const T* matrix, Range panels) {
        constexpr long W = WIDTH<T>;
        for (long p = panels.begin; p < panels.end; p++)
            for (long i = 0; i < k; i++)
                for (long c = 0; c < columns; c++) {
                    long first = block(p, c) * W, lanes = units - first < W ? units - first : W;
                    V<T> v = lanes > 0 ? load(matrix + i * units + first, lanes) : V<T>{};
                    store(panel(p) + (i * columns + c) * W, v);
                }
    }
};

// Sums of R rows (k numbers each, `stride` apart) with C columns, to out[c * across + r * down] registers. `onward` is 1,
// or -1 for a sum that begins at its end.
template <class T, int R, int C>
void tile(const T* rows, long stride, long k, long onward, const T* panel, T* out, long across, long down) {
    constexpr int W = WIDTH<T>, SPLIT = R * C < 8 ? 2 : 1;  // enough sums on the way to hide an addition's latency
    V<T> sum[SPLIT][R][C] = {};
    if (onward < 0) rows += k - 1, panel += (k - 1) * C * W;
    long i = 0;
    for (; i + SPLIT <= k; i += SPLIT) {
#pragma GCC unroll 2
        for (int s = 0; s < SPLIT; s++) {
            const T* w = panel + onward * (i + s) * C * W;
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                T x = rows[r * stride + onward * (i + s)];
#pragma GCC unroll 4
                for (int c = 0; c < C; c++) sum[s][r][c] += x * load(w + c * W);
            }
        }
    }
    for (; i < k; i++)
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) sum[0][r][c] += rows[r * stride + onward * i] * load(panel + (onward * i * C + c) * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) store(out + (c * across + r * down) * W, SPLIT == 2 ? sum[0][r][c] + sum[SPLIT - 1][r][c] : sum[0][r][c]);
}

template <class T> using Tile = void (*)(const T*, long, long, long, const T*, T*, long, long);

template <class T, int R> Tile<T> tile_of(long columns) {
    static constexpr Tile<T> found[] = {tile<T, R, 1>, tile<T, R, 2>, tile<T, R, 3>, tile<T, R, 4>};
    return found[columns - 1];
}

template <class T, int R = 1> Tile<T> tile_of(long rows, long columns) {
    if constexpr (R < MAX_ROWS) {
        if (rows > R) return tile_of<T, R + 1>(rows, columns);
    }
    return tile_of<T, R>(columns);
}
