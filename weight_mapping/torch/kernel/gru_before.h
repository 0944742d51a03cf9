// GRU, reset before the product: r, z = r(.); n = a(x W + (r h) U); h' = n + z (h - n). Stored gates r z n.
// Saved: the three before activation, and r h.
#pragma once
#include "input.h"

namespace gru_before {
constexpr int ORDER[] = {0, 1};
enum { R_, Z_, N_ };

// `kept` (B, U) is room for r h where it isn't saved, `z` (B, U) for the update gate.
template <class T>
void forward(Run<T>& run, const Panels<T>& pair_inputs, const Panels<T>& last_inputs, const Panels<T>& pair, const Panels<T>& last, T* kept, T* z) {
    const Problem<T>& p = run.p;
    Input<T> input_of_pair(run, pair_inputs), input_of_last(run, last_inputs);
    const long U = p.units, stride = p.saved ? 4 * U : U;
    for (long t = 0; t < p.steps; t++) {
        const T* h = run.h_before(t);
        T* reset = p.saved ? p.saved + (t * p.batch * 4 + 3) * U : kept;
        input_of_pair.prepare(t);
        input_of_last.prepare(t);
        run.tiles(pair, t, [&](Place at) {
            Scratch<T, 2> gates;
            const long size = run.gate_size(pair, at);
            run.product(pair, at, h, U, gates);
            run.registers(pair, at, [&](long n, long row, long u, long lanes) {
                const long step_row = t * p.batch + row;
                for (int g = 0; g < 2; g++) {
                    V<T> before = load(gates + g * size + n) + input_of_pair(t, row, g, u);
                    if (p.bias_ih) before += load(p.bias_ih + g * U + u, lanes);
                    store(gates + g * size + n, before);
                    if (p.saved) store(p.saved + (step_row * 4 + g) * U + u, before, lanes);
                }
            });
            p.recurrent_activation(gates, 2 * size);
            run.registers(pair, at, [&](long n, long row, long u, long lanes) {
                store(reset + row * stride + u, load(gates + R_ * size + n) * load(h + row * U + u, lanes), lanes);
                store(z + row * U + u, load(gates + Z_ * size + n), lanes);
            });
        });
        run.step_done();
        run.tiles(last, t, [&](Place at) {
            Scratch<T, 1> n_;
            run.product(last, at, reset, stride, n_);
            run.registers(last, at, [&](long n, long row, long u, long lanes) {
                const long step_row = t * p.batch + row;
                V<T> before = load(n_ + n) + input_of_last(t, row, 0, u);
                if (p.bias_ih) before += load(p.bias_ih + N_ * U + u, lanes);
                store(n_ + n, before);
                if (p.saved) store(p.saved + (step_row * 4 + N_) * U + u, before, lanes);
            });
            p.activation(n_, run.gate_size(last, at));
            run.registers(last, at, [&](long n, long row, long u, long lanes) {
                V<T> old = load(h + row * U + u, lanes), made = load(n_ + n);
                made += load(z + row * U + u, lanes) * (old - made);
                store(p.y + (t * p.batch + row) * U + u, run.counts(t, row) ? made : old, lanes);
            });
        });
        run.step_done();
    }
}

// d_h holds what of a step's gradient goes past the gates' products: z dh, r times the gradient of r h, a masked step's.
template <class T> void backward(Run<T>& run, const Panels<T>& pair, const Panels<T>& last) {
    const Problem<T>& p = run.p;
    const long U = p.units;
    for (long t = p.steps - 1; t >= -1; t--) {
        const T* h_old = t < 0 ? nullptr : run.h_before(t);
        T* d_step = p.d_products + t * p.batch * 3 * U;
        run.tiles(pair, t, [&](Place at) {
            Scratch<T, 1> dh;
            Scratch<T, 2> gates, slopes;  // z, n
            const long size = run.gate_size(pair, at);
            run.gradient_of_h(pair, at, t, p.d_products + (t + 1) * p.batch * 3 * U, 3 * U, dh);
            if (t < 0) return;
            run.registers(pair, at, [&](long n, long row, long u, long lanes) {
                const T* saved = p.saved + (t * p.batch + row) * 4 * U + u;
                store(gates + n, load(saved + Z_ * U, lanes));
                store(gates + size + n, load(saved + N_ * U, lanes));
            });
            p.recurrent_slope(gates, slopes, size);
            p.activation_slope(gates + size, slopes + size, size);
            run.registers(pair, at, [&](long n, long row, long u, long lanes) {
                T* d = d_step + row * 3 * U + u;
                V<T> h = load(dh + n), z = load(gates + n), made = load(gates + size + n);
                const bool counts = run.counts(t, row);
                V<T> dz = h * (load(h_old + row * U + u, lanes) - made) * load(slopes + n);
                store(d + Z_ * U, counts ? dz : V<T>{}, lanes);
                store(d + N_ * U, counts ? h * (T(1) - z) * load(slopes + size + n) : V<T>{}, lanes);
                store(p.d_h + row * U + u, counts ? h * z : h, lanes);
            });
        });
        run.step_done();
        if (t < 0) return;
        run.tiles(last, t, [&](Place at) {
            Scratch<T, 1> d_reset, r_, slope;
            run.product(last, at, d_step + N_ * U, 3 * U, d_reset);
            run.registers(last, at, [&](long n, long row, long u, long lanes) {
                store(r_ + n, load(p.saved + (t * p.batch + row) * 4 * U + u, lanes));
            });
            p.recurrent_slope(r_, slope, run.gate_size(last, at));
            run.registers(last, at, [&](long n, long row, long u, long lanes) {
                T *d_h = p.d_h + row * U + u, *d = d_step + row * 3 * U + u;
                if (!run.counts(t, row)) return store(d, V<T>{}, lanes);
                V<T> d_kept = load(d_reset + n);
                store(d, d_kept * load(h_old + row * U + u, lanes) * load(slope + n), lanes);
                store(d_h, load(d_h, lanes) + d_kept * load(r_ + n), lanes);
            });
        });
        run.step_done();
    }
}
}  // namespace gru_before
