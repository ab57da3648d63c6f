// What is held of a feed, and what of it is shown. Fed many times a second; drawn in a frame, and only so often that
// frames between stay free: nobody reads faster.

const EVERY = 240;

/**
 * Holds the newest `most` rows, newest first when read. `paused` keeps what is seen in its place: rows wait, and are
 * counted. `draw` is called by requestAnimationFrame after changes.
 */
export class Ring {
  constructor(most, draw) {
    this.most = most;
    this.draw = draw;
    this.rows = [];
    this.waiting = [];
    this.paused = false;
    this.left = 0;
    this.seen = 0;
    this.skipped = 0;
    this.times = [];
    this.frame = 0;
    this.drawn = -EVERY;
  }

  /** Rows as they come: oldest first. */
  add(rows, now = performance.now()) {
    this.seen += rows.length;
    this.times.push([now, rows.length]);
    if (this.paused) {
      this.waiting.push(...rows);
      if (this.waiting.length > this.most) {
        this.left += this.waiting.length - this.most;
        this.waiting.splice(0, this.waiting.length - this.most);
      }
    } else this.keep(rows);
    this.later();
  }

  keep(rows) {
    this.rows.push(...rows);
    // Cut now and then, not with each batch: a splice of thousands costs.
    if (this.rows.length > this.most * 1.25) this.rows.splice(0, this.rows.length - this.most);
  }

  skip(count) {
    this.skipped += count;
    this.later();
  }

  hold(paused) {
    if (paused === this.paused) return;
    this.paused = paused;
    if (!paused) {
      this.keep(this.waiting);
      this.waiting = [];
    }
    this.later();
  }

  clear() {
    this.rows = [];
    this.waiting = [];
    this.later();
  }

  /** Rows a second, over the last two. */
  rate(now = performance.now()) {
    while (this.times.length && now - this.times[0][0] > 2000) this.times.shift();
    return this.times.reduce((all, [, count]) => all + count, 0) / 2;
  }

  /** The nth newest. */
  at(index) {
    return this.rows[this.rows.length - 1 - index];
  }

  get length() {
    return Math.min(this.rows.length, this.most);
  }

  /** All that is held, newest first. */
  all() {
    return this.rows.slice(-this.most).reverse();
  }

  later() {
    if (this.frame) return;
    const step = (now) => {
      if (now - this.drawn < EVERY) {
        this.frame = requestAnimationFrame(step);
        return;
      }
      this.frame = 0;
      this.drawn = now;
      this.draw();
    };
    this.frame = requestAnimationFrame(step);
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.draw = () => {};
  }
}
