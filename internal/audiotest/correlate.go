package audiotest

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// Correlate finds where in heard the reference is: lag is the number of
// samples by which heard is late (heard[i+lag] ≈ reference[i]), between
// -maxLag and maxLag, and coefficient the normalized cross-correlation over
// the samples that overlap there: 1 is the same sound (at any volume), 0
// nothing in common, -1 the same upside down. Of several lags the one with the
// greatest coefficient is given. Lags that leave less than half of the shorter
// sound overlapping do not count.
func Correlate(reference, heard []int16, maxLag int) (lag int, coefficient float64) {
	products := crossProducts(reference, heard)
	energyR, energyH := energies(reference), energies(heard)
	least := min(len(reference), len(heard)) / 2
	coefficient = math.Inf(-1)
	for l := -maxLag; l <= maxLag; l++ {
		from, to := max(0, -l), min(len(reference), len(heard)-l)
		if to-from < max(least, 1) {
			continue
		}
		energy := (energyR[to] - energyR[from]) * (energyH[to+l] - energyH[from+l])
		if energy <= 0 {
			continue
		}
		index := (l + len(products)) % len(products)
		if c := real(products[index]) / math.Sqrt(energy); c > coefficient {
			lag, coefficient = l, c
		}
	}
	if math.IsInf(coefficient, -1) {
		return 0, 0
	}
	return lag, coefficient
}

// crossProducts gives, at index l modulo its length, the sum over i of
// a[i]*b[i+l].
func crossProducts(a, b []int16) []complex128 {
	size := 1 << bits.Len(uint(len(a)+len(b)))
	fa, fb := make([]complex128, size), make([]complex128, size)
	for i, s := range a {
		fa[i] = complex(float64(s), 0)
	}
	for i, s := range b {
		fb[i] = complex(float64(s), 0)
	}
	transform(fa)
	transform(fb)
	for i := range fa {
		// Conjugated twice, so that the same transform goes back.
		fa[i] = cmplx.Conj(cmplx.Conj(fa[i])*fb[i]) / complex(float64(size), 0)
	}
	transform(fa)
	return fa
}

// energies gives the sum of squares of the first i samples at index i.
func energies(samples []int16) []float64 {
	sums := make([]float64, len(samples)+1)
	for i, s := range samples {
		sums[i+1] = sums[i] + float64(s)*float64(s)
	}
	return sums
}

// transform is the discrete Fourier transform in place (radix 2); len(x) is a
// power of two.
func transform(x []complex128) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); j > i {
			x[i], x[j] = x[j], x[i]
		}
	}
	for half := 1; half < n; half *= 2 {
		for k := range half {
			w := cmplx.Rect(1, -math.Pi*float64(k)/float64(half))
			for i := k; i < n; i += 2 * half {
				odd := w * x[i+half]
				x[i], x[i+half] = x[i]+odd, x[i]-odd
			}
		}
	}
}
