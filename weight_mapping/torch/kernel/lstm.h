// LSTM: i, f, o = r(.), g = a(.); c' = f c + i g; h' = o a(c'). Stored gates i f g o. Saved: the four before activation.
#pragma once
#include "input.h"

namespace lstm {
constexpr int ORDER[] = {0, 1, 3, 2};  // computed i f o g: one call of the recurrent activation for three gates
enum { I_, F_, O_, G_ };

template <class T> void forward(Run<T>& run, const Panels<T>& inputs, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    Input<T> input(run, inputs);
    const long U = p.units;
    for (long t = 0; t < p.steps; t++) {
        const T *h = run.h_before(t), *c = run.c_before(t);
        T *y = p.y + t * p.batch * U, *c_new = run.c_after(t);
        input.prepare(t);
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 4> gates;
            Scratch<T, 1> out;
            const long size = run.gate_size(panels, at);
            run.product(panels, at, h, U, gates);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                const long place = (t * p.batch + row) * 4 * U + u;
                for (int g = 0; g < 4; g++) {
                    V<T> before = load(gates + g * size + n) + input(t, row, g, u);
                    if (p.bias_ih) before += load(p.bias_ih + ORDER[g] * U + u, lanes);
                    store(gates + g * size + n, before);
                    if (p.saved) store(p.saved + place + ORDER[g] * U, before, lanes);
                }
            });
            p.recurrent_activation(gates, 3 * size);
            p.activation(gates + G_ * size, size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                V<T> old = load(c + row * U + u, lanes);
                V<T> made = load(gates + F_ * size + n) * old + load(gates + I_ * size + n) * load(gates + G_ * size + n);
                store(c_new + row * U + u, run.counts(t, row) ? made : old, lanes);
                store(out + n, made);
            });
            p.activation(out, size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                V<T> made = load(gates + O_ * size + n) * load(out + n);
                store(y + row * U + u, run.counts(t, row) ? made : load(h + row * U + u, lanes), lanes);
            });
        });
        run.step_done();
    }
}

// d_h holds what of a step's gradient goes past the cell (a masked step's), d_c the gradient of c from step to step.
template <class T> void backward(Run<T>& run, const Panels<T>& panels) {
    const Problem<T>& p = run.p;
    const long U = p.units;
    for (long t = p.steps - 1; t >= -1; t--) {
        run.tiles(panels, t, [&](Place at) {
            Scratch<T, 1> dh, out, out_slope;
            Scratch<T, 4> gates, slopes;
            const long size = run.gate_size(panels, at);
            run.gradient_of_h(panels, at, t, p.d_products + (t + 1) * p.batch * 4 * U, 4 * U, dh);
            if (t < 0) return;
            const T *c_old = run.c_before(t), *c = run.c_after(t);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                const T* saved = p.saved + (t * p.batch + row) * 4 * U + u;
                for (int g = 0; g < 4; g++) store(gates + g * size + n, load(saved + ORDER[g] * U, lanes));
                store(out + n, load(c + row * U + u, lanes));
            });
            p.recurrent_slope(gates, slopes, 3 * size);
            p.activation_slope(gates + G_ * size, slopes + G_ * size, size);
            p.activation_slope(out, out_slope, size);
            run.registers(panels, at, [&](long n, long row, long u, long lanes) {
                auto gate = [&](int g) { return load(gates + g * size + n); };
                V<T> h = load(dh + n);
                T *d = p.d_products + (t * p.batch + row) * 4 * U + u, *d_c = p.d_c + row * U + u, *past = p.d_h + row * U + u;
                if (!run.counts(t, row)) {
                    for (int g = 0; g < 4; g++) store(d + g * U, V<T>{}, lanes);
                    return store(past, h, lanes);
                }
                V<T> dc = load(d_c, lanes) + h * gate(O_) * load(out_slope + n);
                V<T> slope[4] = {dc * gate(G_), dc * load(c_old + row * U + u, lanes), h * load(out + n), dc * gate(I_)};
                for (int g = 0; g < 4; g++) store(d + ORDER[g] * U, slope[g] * load(slopes + g * size + n), lanes);
                store(d_c, dc * gate(F_), lanes);
                store(past, V<T>{}, lanes);
            });
        });
        run.step_done();
    }
}
}  // namespace lstm
