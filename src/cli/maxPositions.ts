/** Positions are turned by their angles in f32, which counts no further one by one. */
export const MAX_POSITIONS = 2 ** 24;
