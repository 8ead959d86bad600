package external

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// output reads what a program writes to a pipe. The deadline of the pipe passes when the program
// ends. After that, output reads only what is in the pipe: a child of the program may keep the
// other end open indefinitely.
type output struct {
	file *os.File
	over bool
	// left is the number of bytes to read after the program's end, in case a child keeps writing.
	left int
}

// pipeLimit is the maximum size of a pipe's buffer in bytes, see pipe(7).
const pipeLimit = 1 << 20

func (o *output) Read(p []byte) (int, error) {
	if !o.over {
		n, err := o.file.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := o.file.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		o.over, o.left = true, pipeLimit
	}
	n, err := readNow(o.file, p[:min(len(p), o.left)])
	o.left -= n
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// limitedReader reads a limited number of bytes.
type limitedReader struct {
	from io.Reader
	left int
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("a reply is longer than %d MiB", replyLimit>>20)
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// tail keeps the last bytes that are written to it, limit at most.
type tail struct {
	data  []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-t.limit):]...)
	t.data = slices.Delete(t.data, 0, max(0, len(t.data)-t.limit))
	return len(p), nil
}
