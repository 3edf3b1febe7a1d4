package jitter

const (
	// cellSize is the longest piece of payload kept in one cell: 20 ms at
	// 8 kHz. Longer packets take several cells.
	cellSize = 160
	// cells is how many pieces can wait: 640 ms in packets of 20 ms.
	cells = 32
)

// cell is a piece of payload that waits for its turn.
type cell struct {
	timestamp uint32
	n         uint16
	data      [cellSize]byte
}

func (c *cell) len() int        { return int(c.n) }
func (c *cell) payload() []byte { return c.data[:c.n] }

// queue holds cells in the order of their timestamps.
type queue struct {
	n     int
	order [cells]uint8 // the first n are in use, the others are free
	store [cells]cell
	ready bool // order names every cell once
}

// inserted says what became of a piece of payload.
type inserted uint8

const (
	stored    inserted = iota
	duplicate          // there was one with the timestamp
	overflow           // stored, but the oldest had to go
)

// clear forgets all cells.
func (q *queue) clear() {
	q.n = 0
	if !q.ready {
		for i := range q.order {
			q.order[i] = uint8(i)
		}
		q.ready = true
	}
}

// head is the cell with the lowest timestamp. There must be one.
func (q *queue) head() *cell { return &q.store[q.order[0]] }

// remove takes the head away; its content stays until the next insert.
func (q *queue) remove() {
	first := q.order[0]
	copy(q.order[:q.n-1], q.order[1:q.n])
	q.n--
	q.order[q.n] = first
}

// insert copies payload, of at most cellSize bytes, to its place.
func (q *queue) insert(timestamp uint32, payload []byte) inserted {
	result := stored
	at := q.n
	for at > 0 {
		d := int32(timestamp - q.store[q.order[at-1]].timestamp)
		if d == 0 {
			return duplicate
		}
		if d > 0 {
			break
		}
		at--
	}
	if q.n == cells {
		if at == 0 {
			return overflow // older than all that wait
		}
		q.remove()
		at--
		result = overflow
	}
	free := q.order[q.n]
	copy(q.order[at+1:q.n+1], q.order[at:q.n])
	q.order[at] = free
	q.n++
	c := &q.store[free]
	c.timestamp, c.n = timestamp, uint16(copy(c.data[:], payload))
	return result
}
