package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// retrying sends a request again whose connection was closed under it. Several requests
// that are the first ones dial several connections, and Go's HTTP/2 client closes those
// that it has too many of, also with a request on them ("http2: client connection force
// closed via ClientConn.Close"; "unexpected EOF"). The request may have been carried out:
// every change that mkube makes can be made twice.
type retrying struct{ next http.RoundTripper }

// forceClosed is in the error's text, which has no type.
const forceClosed = "client connection force closed"

func closedUnder(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), forceClosed)
}

func (r retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err == nil || !closedUnder(err) || request.Context().Err() != nil {
		return response, err
	}
	again := request.Clone(request.Context())
	if request.Body != nil && request.Body != http.NoBody {
		if request.GetBody == nil {
			return nil, err
		}
		body, bodyErr := request.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return r.next.RoundTrip(again)
}

// changeLimit is how long a change is tried that the API server cannot make at the moment. It
// restarts in some seconds, and gives etcd 7 s for an answer.
const changeLimit = 20 * time.Second

// patiently makes a change, and makes it again while the API server is away for a moment or
// does not reach etcd. Like what is sent again above, it must be one that can be made twice.
func patiently(ctx context.Context, change func() error) error {
	deadline := time.Now().Add(changeLimit)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := change()
		if err == nil || !passing(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// passing says of an API server's error that it is about this moment, and not about the
// request.
func passing(err error) bool {
	if apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) {
		return true
	}
	if utilnet.IsConnectionReset(err) || utilnet.IsConnectionRefused(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err) {
		return true
	}
	// etcd's own errors come as internal ones, see
	// https://pkg.go.dev/go.etcd.io/etcd/api/v3/v3rpc/rpctypes.
	for _, text := range []string{"etcdserver: request timed out", "etcdserver: leader changed", "etcdserver: no leader"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
