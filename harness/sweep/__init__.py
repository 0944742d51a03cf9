"""Random cases, as many as asked: `strategies` draws layers, `samples` names them, `measuring` holds them to their
bounds, `running` has it done in processes, and `journal` keeps what is done."""
