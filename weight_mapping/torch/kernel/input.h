// The input's product x W, some steps ahead: many rows for each weight that is read, and no buffer of all steps.
#pragma once
#include "run.h"

// One thread's part, as [panel][column][step][row] registers: its rows, its panels.
template <class T> class Input {
    static constexpr long W = WIDTH<T>;
    const Run<T>& run;
    const Panels<T>& panels;
    const Range rows, own;
    const long ahead;  // a multiple of MAX_ROWS steps, and of few rows many
    Buffer<T> products;
    long begin = 0, end = 0;  // the steps that are ready

    static long steps_ahead(long rows) {
        long tiles = rows ? 96 / (rows * MAX_ROWS) : 1;
        return MAX_ROWS * (tiles < 1 ? 1 : tiles);
    }

public:
    Input(const Run<T>& run, const Panels<T>& panels)
        : run(run), panels(panels), rows(run.own_rows()), own(run.own_panels(panels)),
          ahead(steps_ahead(rows.end - rows.begin)),
          products((own.end - own.begin) * panels.columns * ahead * (rows.end - rows.begin) * W) {}

    // To be called before the step's numbers are asked for.
    void prepare(long t) {
        if (t < end) return;
        begin = t;
        end = t + ahead < run.p.steps ? t + ahead : run.p.steps;
        const Range steps{begin, end};
        const long samples = rows.end - rows.begin, tiles = (end - begin + MAX_ROWS - 1) / MAX_ROWS;
        for (long panel = own.begin; panel < own.end; panel++)
            for (long row = 0; row < samples; row++)
                for (long n = 0; n < tiles; n++) {
                    const Range some = steps.share(n, tiles);  // a tile's rows are steps of one sample
                    T* to = products.get() + ((panel - own.begin) * panels.columns * ahead + some.begin - begin) * samples * W + row * W;
                    const T* x = run.p.x + some.begin * run.p.x_step + (rows.begin + row) * run.p.x_row;
                    panels.product(panel, x, some.end - some.begin, run.p.x_step, 1, to, ahead * samples, samples);
                }
    }

    // x W of a gate (0 where there is one) for the register of units that begins at `unit`.
    V<T> operator()(long t, long row, long gate, long unit) const {
        const long block = unit / W, panel = panels.gates ? block : block / panels.columns;
        const long column = panels.gates ? gate : block % panels.columns, samples = rows.end - rows.begin;
        return load(products.get() + ((((panel - own.begin) * panels.columns + column) * ahead + t - begin) * samples + row - rows.begin) * W);
    }
};
