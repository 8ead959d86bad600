package component_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/component"
)

// TestEventuallySaysWhy checks that the error is the reason why the effect does not work, not
// that the context interrupted a call.
func TestEventuallySaysWhy(t *testing.T) {
	t.Parallel()
	notReady, notEnded := errors.New("not Ready"), errors.New("not ended")
	for _, tt := range []struct {
		answers []error // nil stands for the error of a call that the context interrupted
		want    string
	}{
		{[]error{notReady, nil}, "not Ready"},
		{[]error{nil}, "asking: context deadline exceeded"},
		{[]error{notReady, notEnded}, "not ended"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		asked := 0
		err := component.Eventually(ctx, func() error {
			asked++
			if asked < len(tt.answers) {
				return tt.answers[asked-1]
			}
			<-ctx.Done()
			if last := tt.answers[len(tt.answers)-1]; last != nil {
				return last
			}
			return fmt.Errorf("asking: %w", ctx.Err())
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("Eventually = %v; want %s", err, tt.want)
		}
	}
}
