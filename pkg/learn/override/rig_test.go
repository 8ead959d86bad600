package override_test

import (
	"testing"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
)

// A rig is bootstraptest's, with what the tests of this package do to it.
type rig struct{ *bootstraptest.Rig }

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{bootstraptest.New(t)}
}
