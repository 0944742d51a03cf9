// A cell over a sequence and back, one C function a kind, direction and dtype: `lstm_forward_float(problem)`.
#include "gru_after.h"
#include "gru_before.h"
#include "lstm.h"
#include "rnn.h"

namespace {
// Fewer multiplications than this in a step cost less than a barrier between threads.
constexpr long SMALL = 4 * 64 * 64;

template <class T, class Work> void run_together(const Problem<T>* p, long gates, Work work) {
    Barrier barrier;
    const long weights = gates * p->units * p->units;
    together(weights * p->batch <= SMALL ? 1 : p->threads, [&](Member me) {
        Run<T> run{*p, me, barrier, weights};
        work(run);
    });
}

// That go by each of the weights.
template <class T> long rows(const Problem<T>* p) { return p->steps * p->batch; }

template <class T> void lstm_forward(const Problem<T>* p) {
    Panels<T> inputs(p->weight_ih, p->inputs, p->units, 4, lstm::ORDER, rows(p));
    Panels<T> panels(p->weight_hh, p->units, p->units, 4, lstm::ORDER, rows(p));
    run_together(p, 4, [&](Run<T>& run) {
        inputs.pack_rows(run.part(inputs));
        panels.pack_rows(run.part(panels));
        run.packed();
        lstm::forward(run, inputs, panels);
    });
}

template <class T> void lstm_backward(const Problem<T>* p) {
    Panels<T> panels(4 * p->units, p->units, 1);
    run_together(p, 4, [&](Run<T>& run) {
        panels.pack_columns(p->weight_hh, run.part(panels));
        run.packed();
        lstm::backward(run, panels);
    });
}

template <class T> void gru_after_forward(const Problem<T>* p) {
    Panels<T> inputs(p->weight_ih, p->inputs, p->units, 3, gru_after::ORDER, rows(p));
    Panels<T> panels(p->weight_hh, p->units, p->units, 3, gru_after::ORDER, rows(p));
    run_together(p, 3, [&](Run<T>& run) {
        inputs.pack_rows(run.part(inputs));
        panels.pack_rows(run.part(panels));
        run.packed();
        gru_after::forward(run, inputs, panels);
    });
}

template <class T> void gru_after_backward(const Problem<T>* p) {
    Panels<T> panels(3 * p->units, p->units, 1);
    run_together(p, 3, [&](Run<T>& run) {
        panels.pack_columns(p->weight_hh, run.part(panels));
        run.packed();
        gru_after::backward(run, panels);
    });
}

template <class T> void gru_before_forward(const Problem<T>* p) {
    const long U = p->units, I = p->inputs;
    Panels<T> pair_inputs(p->weight_ih, I, U, 2, gru_before::ORDER, rows(p)), last_inputs(p->weight_ih + 2 * U * I, I, U, 1, nullptr, rows(p));
    Panels<T> pair(p->weight_hh, U, U, 2, gru_before::ORDER, rows(p)), last(p->weight_hh + 2 * U * U, U, U, 1, nullptr, rows(p));
    Buffer<T> kept(p->batch * U), z(p->batch * U);
    run_together(p, 3, [&](Run<T>& run) {
        pair_inputs.pack_rows(run.part(pair_inputs));
        last_inputs.pack_rows(run.part(last_inputs));
        pair.pack_rows(run.part(pair));
        last.pack_rows(run.part(last));
        run.packed();
        gru_before::forward(run, pair_inputs, last_inputs, pair, last, kept.get(), z.get());
    });
}

template <class T> void gru_before_backward(const Problem<T>* p) {
    const long U = p->units;
    Panels<T> pair(2 * U, U, 1), last(U, U, 1);
    run_together(p, 3, [&](Run<T>& run) {
        pair.pack_columns(p->weight_hh, run.part(pair));
        last.pack_columns(p->weight_hh + 2 * U * U, run.part(last));
        run.packed();
        gru_before::backward(run, pair, last);
    });
}

template <class T> void rnn_forward(const Problem<T>* p) {
    Panels<T> inputs(p->weight_ih, p->inputs, p->units, 1, nullptr, rows(p));
    Panels<T> panels(p->weight_hh, p->units, p->units, 1, nullptr, rows(p));
    run_together(p, 1, [&](Run<T>& run) {
        inputs.pack_rows(run.part(inputs));
        panels.pack_rows(run.part(panels));
        run.packed();
        rnn::forward(run, inputs, panels);
    });
}

template <class T> void rnn_backward(const Problem<T>* p) {
    Panels<T> panels(p->units, p->units, 1);
    run_together(p, 1, [&](Run<T>& run) {
        panels.pack_columns(p->weight_hh, run.part(panels));
        run.packed();
        rnn::backward(run, panels);
    });
}
}  // namespace

#define EXPORT(name)                                                         \
    extern "C" void name##_float(const Problem<float>* p) { name(p); }       \
    extern "C" void name##_double(const Problem<double>* p) { name(p); }
EXPORT(lstm_forward)
EXPORT(lstm_backward)
EXPORT(gru_after_forward)
EXPORT(gru_after_backward)
EXPORT(gru_before_forward)
EXPORT(gru_before_backward)
EXPORT(rnn_forward)
EXPORT(rnn_backward)
