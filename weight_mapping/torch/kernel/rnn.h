// SimpleRNN: h' = a(x W + h U + b). Saved: the sum before activation.
#pragma once
#include "input.h"

namespace rnn {
template <class T> void forward(Run<T>& run, const Panels<T>& inputs, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    Input<T> input(run, inputs);
    const long U = p.units;
    for (long t = 0; t < p.steps; t++) {
        const T* h = run.h_before(t);
        input.prepare(t);
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 1> n_;
            run.product(panels, at, h, U, n_);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                const long place = (t * p.batch + row) * U + u;
                V<T> before = load(n_ + n) + input(t, row, 0, u);
                if (p.bias_ih) before += load(p.bias_ih + u, lanes);
                store(n_ + n, before);
                if (p.saved) store(p.saved + place, before, lanes);
            });
            p.activation(n_, run.gate_size(panels, at));
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                V<T> made = run.counts(t, row) ? load(n_ + n) : load(h + row * U + u, lanes);
                store(p.y + (t * p.batch + row) * U + u, made, lanes);
            });
        });
        run.step_done();
    }
}

// d_h holds what of a step's gradient goes past the cell: a masked step's.
template <class T> void backward(Run<T>& run, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    const long U = p.units;
    for (long t = p.steps - 1; t >= -1; t--) {
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 1> dh, n_, slope;
            run.gradient_of_h(panels, at, t, p.d_products + (t + 1) * p.batch * U, U, dh);
            if (t < 0) return;
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                store(n_ + n, load(p.saved + (t * p.batch + row) * U + u, lanes));
            });
            p.activation_slope(n_, slope, run.gate_size(panels, at));
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                const bool counts = run.counts(t, row);
                V<T> h = load(dh + n);
                store(p.d_products + (t * p.batch + row) * U + u, counts ? h * load(slope + n) : V<T>{}, lanes);
                store(p.d_h + row * U + u, counts ? V<T>{} : h, lanes);
            });
        });
        run.step_done();
    }
}
}  // namespace rnn
