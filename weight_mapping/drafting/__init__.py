"""The configuration of a file that holds weights alone, drafted from the names and shapes of its arrays.

`recognising` tells the recurrent cells, `recognising_plain` the layers around them, and `sketched` states a recurrent
layer as Keras does. There are two drafts: `assumed` has the recurrent layers alone, with Keras' defaults for what can't
be told, each of which is said; `outline` has the whole chain, with `open_choices` in the place of what can't be told,
which a user fills in."""
