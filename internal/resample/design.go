package resample

import "math"

// ratio is a to b in lowest terms, or the nearest ratio whose first term is at
// most maxPhases (by continued fractions).
func ratio(a, b int) (up, down int) {
	p0, q0, p1, q1 := 0, 1, 1, 0
	for b != 0 {
		whole := a / b
		p, q := whole*p1+p0, whole*q1+q0
		if p > maxPhases {
			break
		}
		p0, q0, p1, q1 = p1, q1, p, q
		a, b = b, a-whole*b
	}
	return p1, q1
}

// design makes the filter: for each of up phases a row of length taps, the
// oldest sample's first, with a gain of exactly 1 at 0 Hz.
func design(up, down, length int) []float32 {
	rows := make([]float32, up*length)
	half := float64(length) / 2
	// In cycles per sample of the input.
	edge := cutoff * min(1, float64(up)/float64(down))
	row := make([]float64, length)
	for phase := range up {
		var gain float64
		for i := range row {
			age := length - 1 - i
			at := float64(age) + float64(phase)/float64(up) - half
			row[i] = sinc(2*edge*at) * kaiser(at/half)
			gain += row[i]
		}
		for i, h := range row {
			rows[phase*length+i] = float32(h / gain)
		}
	}
	return rows
}

// sinc is sin(πx)/πx.
func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window at x, from -1 to 1.
func kaiser(x float64) float64 {
	return bessel(beta*math.Sqrt(max(0, 1-x*x))) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind, of order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; term > 1e-12*sum; k++ {
		term *= x / 2 / float64(k)
		sum += term * term
		if k > 100 {
			break
		}
	}
	return sum
}
