// What one run over time is given, and how its threads share it: the frame in which the cells' steps stand.
#pragma once
#include "functions.h"
#include "product.h"

// Shapes: x (T, B, I), its rows contiguous; weight_ih (G U, I), weight_hh (G U, U), gates as PyTorch stores them;
// bias_ih, bias_hh (G U); h, c, c_last, d_h, d_c (B, U); mask (T, B); y, c_all, grad_y (T, B, U); saved (T, B, S, U);
// d_products, the gradient of x W + b, and d_recurrent, that of h U + b (T, B, G U).
template <class T> struct Problem {
    long steps, batch, inputs, units, x_step, x_row, threads;  // x_step, x_row: from a step, a sample to the next
    const T *x, *weight_ih, *bias_ih, *weight_hh, *bias_hh, *h, *c;
    const uint8_t* mask;
    T *y, *c_last, *c_all, *saved;  // c_all and saved only where a backward will follow
    const T *grad_y, *grad_c;
    T *d_products, *d_recurrent, *d_h, *d_c;
    Function<T> activation, recurrent_activation;
    Slope<T> activation_slope, recurrent_slope;
};

constexpr long GROUP = 8;  // blocks of units whose gates wait for their activations together, in the first-level cache

// Registers for some gates of a tile.
template <class T, int GATES> struct Scratch {
    alignas(64) T data[GATES * GROUP * MAX_ROWS * WIDTH<T>];
    operator T*() { return data; }
};

// A tile of work: `count` panels from `panel` for `rows` rows from `row`; `onward` is 1, or -1 for the panels backwards.
struct Place {
    long panel, count, row, rows, onward;
};

template <class T> struct Run {
    static constexpr long W = WIDTH<T>;
    const Problem<T>& p;
    Member me;
    Barrier& barrier;
    long weights;  // numbers of the matrices that a step goes through

    // Rows never meet: threads that own rows need no barrier between steps. But each of them then reads every weight,
    // so the units are divided where the weights are many and the rows few.
    bool by_rows() const {
        long rows = p.batch / me.size;
        return me.size == 1 || rows >= 4 * MAX_ROWS || (rows >= MAX_ROWS && weights * long(sizeof(T)) <= 1 << 19);
    }

    void step_done() {
        if (!by_rows()) barrier.wait(me.size);
    }

    Range own_panels(const Panels<T>& panels) const {
        Range all{0, panels.count};
        return by_rows() ? all : all.share(me.rank, me.size);
    }

    Range own_rows() const {
        Range all{0, p.batch};
        return by_rows() ? all.share(me.rank, me.size) : all;
    }

    // The panels that this thread packs; all must be before the first step.
    Range part(const Panels<T>& panels) const { return Range{0, panels.count}.share(me.rank, me.size); }
    void packed() { barrier.wait(me.size); }

    // The tiles of this thread's share at step t, all rows of a group of panels before the next, so that panels are read
    // once. Every other step goes the way back that the last one came: it finds in the caches what that one left there.
    template <class Work> void tiles(const Panels<T>& panels, long t, Work work) const {
        Range own = own_panels(panels), rows = own_rows();
        long tiles = (rows.end - rows.begin + MAX_ROWS - 1) / MAX_ROWS, group = panels.gates ? GROUP : GROUP / panels.columns;
        const long groups = (own.end - own.begin + group - 1) / group, onward = t & 1 ? -1 : 1;
        for (long g = 0; g < groups; g++)
            for (long n = 0; n < tiles; n++) {
                Range some = rows.share(n, tiles);
                const long first = own.begin + (onward > 0 ? g : groups - 1 - g) * group;
                work(Place{first, own.end - first < group ? own.end - first : group, some.begin, some.end - some.begin, onward});
            }
    }

    // A tile's sums into scratch, [column][panel][row] registers for gates and [block][row] for blocks.
    void product(const Panels<T>& panels, Place at, const T* rows, long stride, T* scratch) const {
        long across = panels.gates ? at.count * at.rows : at.rows, next = panels.gates ? at.rows : at.rows * panels.columns;
        for (long m = 0; m < at.count; m++) {
            const long n = at.onward > 0 ? m : at.count - 1 - m;
            panels.product(at.panel + n, rows + at.row * stride, at.rows, stride, at.onward, scratch + n * next * W, across, 1);
        }
    }

    // Calls work(n, row, unit, lanes) for each register of one gate of a tile; n is its place in scratch.
    template <class Work> void registers(const Panels<T>& panels, Place at, Work work) const {
        long first = panels.block(at.panel, 0), end = blocks_end(panels, at);
        for (long block = first; block < end; block++) {
            long unit = block * W, lanes = p.units - unit < W ? p.units - unit : W;
            for (long r = 0; r < at.rows; r++) work(((block - first) * at.rows + r) * W, at.row + r, unit, lanes);
        }
    }

    long blocks_end(const Panels<T>& panels, Place at) const {
        long end = panels.block(at.panel + at.count, 0);
        return end < panels.blocks ? end : panels.blocks;
    }

    // How many numbers of scratch one gate of a tile takes.
    long gate_size(const Panels<T>& panels, Place at) const {
        return (blocks_end(panels, at) - panels.block(at.panel, 0)) * at.rows * W;
    }

    // A tile's gradient of the h that step t makes: through the next step's products `d` (rows of panels.k numbers),
    // past them (d_h), and from the output. For t = -1 it is the initial state's, and ends in d_h.
    void gradient_of_h(const Panels<T>& panels, Place at, long t, const T* d, long stride, T* dh) const {
        if (t + 1 < p.steps) product(panels, at, d, stride, dh);
        else memset(dh, 0, gate_size(panels, at) * sizeof(T));
        registers(panels, at, [&](long n, long row, long u, long lanes) {
            T* past = p.d_h + row * p.units + u;
            V<T> sum = load(dh + n) + load(past, lanes);
            if (t < 0) return store(past, sum, lanes);
            store(dh + n, sum + load(p.grad_y + (t * p.batch + row) * p.units + u, lanes));
        });
    }

    bool counts(long t, long row) const { return !p.mask || p.mask[t * p.batch + row]; }
    const T* h_before(long t) const { return t ? p.y + (t - 1) * p.batch * p.units : p.h; }
    const T* c_before(long t) const { return t == 0 ? p.c : p.c_all ? p.c_all + (t - 1) * p.batch * p.units : p.c_last; }
    T* c_after(long t) const { return p.c_all ? p.c_all + t * p.batch * p.units : p.c_last; }
};
