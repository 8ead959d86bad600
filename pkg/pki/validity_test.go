package pki_test

import (
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
)

// period returns a validity from noon of a date to noon of another.
func period(t *testing.T, from, to string) pki.Validity {
	t.Helper()
	var v pki.Validity
	for text, into := range map[string]*time.Time{from: &v.NotBefore, to: &v.NotAfter} {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		*into = at.Add(12 * time.Hour)
	}
	return v
}

func TestValidity(t *testing.T) {
	t.Parallel()
	for v, want := range map[pki.Validity]struct{ holds, due bool }{
		{}:                                    {true, false}, // no certificate has expired
		period(t, "2026-08-01", "2026-08-31"): {true, false}, // 30 days are left
		period(t, "2026-08-01", "2026-08-30"): {true, true},
		period(t, "2026-07-01", "2026-08-01"): {true, true},
		period(t, "2025-08-01", "2026-07-31"): {false, true},
		period(t, "2026-08-02", "2027-08-02"): {false, true},
	} {
		if holds, due := v.Holds(now), v.Due(now); holds != want.holds || due != want.due {
			t.Errorf("from %s to %s: holds is %t, and due %t", v.NotBefore, v.NotAfter, holds, due)
		}
	}
}

func TestValidityOfSeveral(t *testing.T) {
	t.Parallel()
	a, b := period(t, "2026-08-01", "2027-08-01"), period(t, "2025-08-01", "2026-08-02")
	want := period(t, "2026-08-01", "2026-08-02")
	if got := a.And(b); got != want {
		t.Errorf("got %v", got)
	}
	if got := b.And(a); got != want {
		t.Errorf("got %v", got)
	}
	if a.And(pki.Validity{}) != a || (pki.Validity{}).And(a) != a {
		t.Error("no certificates change the validity")
	}
	certs, err := pki.ParseCertificates(authority(t, "kubernetes").CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := certs[0].Validity(), (pki.Validity{NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(3650 * 24 * time.Hour)}); got != want {
		t.Errorf("got %v; want %v", got, want)
	}
}
