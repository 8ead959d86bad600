package bootstrap_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
)

// A rig is a bootstraptest.Rig with the helpers of this package's tests.
type rig struct{ *bootstraptest.Rig }

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{bootstraptest.New(t)}
}
