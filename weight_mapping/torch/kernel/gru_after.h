// GRU, reset after the product: r, z = r(.); n = a(x W + r (h U + b)); h' = n + z (h - n). Stored gates r z n.
// Saved: the three before activation, and h U + b of the third.
#pragma once
#include "input.h"

namespace gru_after {
constexpr int ORDER[] = {0, 1, 2};
enum { R_, Z_, N_ };

template <class T> void forward(Run<T>& run, const Panels<T>& inputs, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    Input<T> input(run, inputs);
    const long U = p.units;
    for (long t = 0; t < p.steps; t++) {
        const T* h = run.h_before(t);
        input.prepare(t);
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 3> gates;
            const long size = run.gate_size(panels, at);
            auto product = [&](long row, int g, long u, long lanes) {
                V<T> sum = input(t, row, g, u);
                return p.bias_ih ? sum + load(p.bias_ih + g * U + u, lanes) : sum;
            };
            run.product(panels, at, h, U, gates);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                T* saved = p.saved ? p.saved + (t * p.batch + row) * 4 * U + u : nullptr;
                for (int g = 0; g < 3; g++) {
                    V<T> sum = load(gates + g * size + n);
                    if (p.bias_hh) sum += load(p.bias_hh + g * U + u, lanes);
                    if (g != N_) sum += product(row, g, u, lanes);
                    store(gates + g * size + n, sum);
                    if (saved) store(saved + (g == N_ ? 3 : g) * U, sum, lanes);
                }
            });
            p.recurrent_activation(gates, 2 * size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                V<T> before = load(gates + N_ * size + n) * load(gates + R_ * size + n) + product(row, N_, u, lanes);
                store(gates + N_ * size + n, before);
                if (p.saved) store(p.saved + ((t * p.batch + row) * 4 + N_) * U + u, before, lanes);
            });
            p.activation(gates + N_ * size, size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                V<T> old = load(h + row * U + u, lanes), made = load(gates + N_ * size + n);
                made += load(gates + Z_ * size + n) * (old - made);
                store(p.y + (t * p.batch + row) * U + u, run.counts(t, row) ? made : old, lanes);
            });
        });
        run.step_done();
    }
}

// d_h holds what of a step's gradient goes past the products: z dh, and a masked step's. d_recurrent is d_products but
// for n, where it is the gradient of h U + b.
template <class T> void backward(Run<T>& run, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    const long U = p.units;
    for (long t = p.steps - 1; t >= -1; t--) {
        const T* h_old = t < 0 ? nullptr : run.h_before(t);
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 1> dh;
            Scratch<T, 3> gates, slopes;
            const long size = run.gate_size(panels, at);
            run.gradient_of_h(panels, at, t, p.d_recurrent + (t + 1) * p.batch * 3 * U, 3 * U, dh);
            if (t < 0) return;
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                const T* saved = p.saved + (t * p.batch + row) * 4 * U + u;
                for (int g = 0; g < 3; g++) store(gates + g * size + n, load(saved + g * U, lanes));
            });
            p.recurrent_slope(gates, slopes, 2 * size);
            p.activation_slope(gates + N_ * size, slopes + N_ * size, size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                auto gate = [&](int g) { return load(gates + g * size + n); };
                auto slope = [&](int g) { return load(slopes + g * size + n); };
                const long step_row = t * p.batch + row;
                T *d = p.d_products + step_row * 3 * U + u, *d_u = p.d_recurrent + step_row * 3 * U + u;
                V<T> h = load(dh + n), zero{};
                if (!run.counts(t, row)) {
                    for (int g = 0; g < 3; g++) store(d + g * U, zero, lanes), store(d_u + g * U, zero, lanes);
                    return store(p.d_h + row * U + u, h, lanes);
                }
                V<T> dn = h * (T(1) - gate(Z_)) * slope(N_);
                V<T> dz = h * (load(h_old + row * U + u, lanes) - gate(N_)) * slope(Z_);
                V<T> dr = dn * load(p.saved + (step_row * 4 + 3) * U + u, lanes) * slope(R_);
                store(d + R_ * U, dr, lanes), store(d_u + R_ * U, dr, lanes);
                store(d + Z_ * U, dz, lanes), store(d_u + Z_ * U, dz, lanes);
                store(d + N_ * U, dn, lanes), store(d_u + N_ * U, dn * gate(R_), lanes);
                store(p.d_h + row * U + u, h * gate(Z_), lanes);
            });
        });
        run.step_done();
    }
}
}  // namespace gru_after
