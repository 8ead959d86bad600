package pki

import "time"

// RenewBefore is the time before the end of a certificate from which it should be renewed.
const RenewBefore = 30 * 24 * time.Hour

// A Validity is the time in which all of several certificates are valid. The zero value is that of
// no certificates.
type Validity struct{ NotBefore, NotAfter time.Time }

// Validity returns the validity period of the certificate.
func (c Certificate) Validity() Validity {
	return Validity{c.cert.NotBefore.UTC(), c.cert.NotAfter.UTC()}
}

// And returns the time in which the certificates of both are valid.
func (v Validity) And(other Validity) Validity {
	if v == (Validity{}) {
		return other
	}
	if other == (Validity{}) {
		return v
	}
	if other.NotBefore.After(v.NotBefore) {
		v.NotBefore = other.NotBefore
	}
	if other.NotAfter.Before(v.NotAfter) {
		v.NotAfter = other.NotAfter
	}
	return v
}

// Holds reports whether all of the certificates are valid at a time.
func (v Validity) Holds(at time.Time) bool {
	return v == Validity{} || !at.Before(v.NotBefore) && !at.After(v.NotAfter)
}

// Due reports whether one of the certificates is not valid now, or ends within RenewBefore.
func (v Validity) Due(now time.Time) bool { return !v.Holds(now) || !v.Holds(now.Add(RenewBefore)) }
