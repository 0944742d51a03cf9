// rows x matrix for a few rows at a time. The matrix is packed once into panels: [panel][k][column][lane], where a
// column is one register of units; the tile of rows x columns stays in registers through the whole sum over k. That
// takes a second matrix, and longer than a few rows do: if there are no more, they go by the matrix as it lies.
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

// A row by as many rows of a matrix as a register has lanes, or the first `lanes` of them, k numbers each.
template <class T> V<T> dots(const T* row, const T* matrix, long k, long lanes) {
    constexpr long W = WIDTH<T>;
    V<T> square[W] = {};
    long i = 0;
    for (; i + W <= k && lanes == W; i += W) {
        V<T> x = load(row + i);
#pragma GCC unroll 16
        for (long lane = 0; lane < W; lane++) square[lane] += x * load(matrix + lane * k + i);
    }
    for (; i < k; i += W) {
        const long some = k - i < W ? k - i : W;
        V<T> x = load(row + i, some);
        for (long lane = 0; lane < lanes; lane++) square[lane] += x * load(matrix + lane * k + i, some);
    }
    transpose<T>(square);
    V<T> sum = square[0];
    for (long n = 1; n < W; n++) sum += square[n];
    return sum;
}

// The columns of a panel are gates of one block of units (`gates` of them, their order in the matrix in `order`), or
// where there is one gate, neighbouring blocks.
template <class T> struct Panels {
    static constexpr long W = WIDTH<T>;
    static constexpr long WORTH = 16;  // to pack a matrix is worth it from a row on for so many of its columns

    long k, units, columns, blocks, count;
    bool gates, packed;
    const T* matrix;
    const int* order;
    Buffer<T> data;

    // Of a matrix (gate rows of units, k), one output a row, which so many rows go by; `order[column]` is the gate's
    // place in it.
    Panels(const T* matrix, long k, long units, long gate_columns, const int* order, long rows)
        : Panels(matrix, k, units, gate_columns, order, rows * WORTH > k) {}

    // Of a matrix (k, units), one output a column, which pack_columns is given.
    Panels(long k, long units, long gate_columns) : Panels(nullptr, k, units, gate_columns, nullptr, true) {}

    T* panel(long p) const { return data.get() + p * k * columns * W; }
    long block(long p, long column) const { return gates ? p : p * columns + column; }

    void pack_rows(Range panels) {
        for (long p = panels.begin; p < panels.end && packed; p++)
            for (long c = 0; c < columns; c++) {
                const long lanes = lanes_of(p, c);
                const T* from = lying(p, c);
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
        for (long p = panels.begin; p < panels.end; p++)
            for (long i = 0; i < k; i++)
                for (long c = 0; c < columns; c++) {
                    const long first = block(p, c) * W, lanes = lanes_of(p, c);
                    V<T> v = lanes > 0 ? load(matrix + i * units + first, lanes) : V<T>{};
                    store(panel(p) + (i * columns + c) * W, v);
                }
    }

    // Sums of some rows (k numbers each, `stride` apart) with a panel, as of `tile`.
    void product(long p, const T* rows, long count, long stride, long onward, T* out, long across, long down) const {
        if (packed) return tile_of<T>(count, columns)(rows, stride, k, onward, panel(p), out, across, down);
        for (long c = 0; c < columns; c++)
            for (long r = 0; r < count; r++)
                store(out + (c * across + r * down) * W, dots(rows + r * stride, lying(p, c), k, lanes_of(p, c)));
    }

private:
    Panels(const T* matrix, long k, long units, long gate_columns, const int* order, bool packed)
        : k(k), units(units), blocks((units + W - 1) / W), gates(gate_columns > 1), packed(packed), matrix(matrix), order(order),
          data(packed ? (gates ? blocks * gate_columns : (blocks + 3) / 4 * 4) * k * W : 0) {
        columns = gates ? gate_columns : blocks < 4 ? blocks : 4;
        count = gates ? blocks : (blocks + columns - 1) / columns;
    }

    const T* lying(long p, long column) const {
        return matrix + ((gates ? order[column] * units : 0) + block(p, column) * W) * k;
    }

    // How many units the column has; below one where it only fills the panel.
    long lanes_of(long p, long column) const {
        const long left = units - block(p, column) * W;
        return left < W ? left : W;
    }
};
