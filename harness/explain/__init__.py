"""What `units` configures: `recurrent` for a layer over vectors, `convolution` over images, in the same `words`;
`scalar_copies` measures whether N units are N copies of one."""
