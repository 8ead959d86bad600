package provider

import (
	"io"
	"strings"
	"testing"
)

// copies counts bytes.
type copies struct{ expected, copied int64 }

func (c *copies) Expect(n int64) { c.expected += n }

func (c *copies) Write(p []byte) (int, error) {
	c.copied += int64(len(p))
	return len(p), nil
}

func TestCounted(t *testing.T) {
	t.Parallel()
	c := &copies{}
	ctx := WithCopies(t.Context(), c)
	for _, text := range []string{"four", "and five"} {
		if got, err := io.ReadAll(Counted(ctx, strings.NewReader(text), int64(len(text)))); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if *c != (copies{12, 12}) {
		t.Errorf("expected %d bytes, copied %d, want 12", c.expected, c.copied)
	}
	if r := strings.NewReader("x"); Counted(t.Context(), r, 1) != io.Reader(r) {
		t.Error("without Copies, the reader is another one")
	}
}
