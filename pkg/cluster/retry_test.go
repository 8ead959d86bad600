package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scripted returns its errors one after the other, and then succeeds.
type scripted struct {
	errs   []error
	bodies []string
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusCreated}, nil
}

func TestRetrying(t *testing.T) {
	t.Parallel()
	closed, refused := errors.New("http2: client connection force closed via ClientConn.Close"), errors.New("connection refused")
	for name, test := range map[string]struct {
		errs  []error
		want  error
		tries int
	}{
		"no error":            {nil, nil, 1},
		"closed once":         {[]error{closed}, nil, 2},
		"closed twice":        {[]error{closed, closed}, closed, 2},
		"ended once":          {[]error{fmt.Errorf("post: %w", io.ErrUnexpectedEOF)}, nil, 2},
		"another error":       {[]error{refused}, refused, 1},
		"another one follows": {[]error{closed, refused}, refused, 2},
	} {
		s := &scripted{errs: test.errs}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com", strings.NewReader("object"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (retrying{s}).RoundTrip(request); !errors.Is(err, test.want) || len(s.bodies) != test.tries {
			t.Errorf("%s: %v after %d tries; want %v after %d", name, err, len(s.bodies), test.want, test.tries)
		}
		for _, body := range s.bodies {
			if body != "object" {
				t.Errorf("%s: the body is %q", name, body)
			}
		}
	}
}

func TestPatiently(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		tries int
	}{
		"no error":              {nil, 1},
		"the server restarts":   {fmt.Errorf("dial tcp: %w", syscall.ECONNREFUSED), 2},
		"the connection is cut": {fmt.Errorf("read tcp: %w", syscall.ECONNRESET), 2},
		"etcd is slow":          {apierrors.NewInternalError(errors.New("etcdserver: request timed out")), 2},
		"etcd elects":           {errors.New("etcdserver: leader changed"), 2},
		"the server is busy":    {apierrors.NewTooManyRequests("later", 1), 2},
		"etcd is full":          {apierrors.NewInternalError(errors.New("etcdserver: mvcc: database space exceeded")), 1},
		"it is forbidden":       {apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "n", nil), 1},
	} {
		tries := 0
		err := patiently(t.Context(), func() error {
			if tries++; tries == 1 {
				return test.err
			}
			return nil
		})
		if tries != test.tries || test.tries == 1 && !errors.Is(err, test.err) || test.tries == 2 && err != nil {
			t.Errorf("%s: %v after %d tries; want %d", name, err, tries, test.tries)
		}
	}
}

// TestPatientlyEnds checks that patiently ends with its context, and returns the server's last
// error.
func TestPatientlyEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := patiently(ctx, func() error { return syscall.ECONNREFUSED })
	if took := time.Since(start); !errors.Is(err, syscall.ECONNREFUSED) || took > 10*time.Second {
		t.Errorf("patiently returns %v after %s", err, took)
	}
}
