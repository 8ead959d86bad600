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

// retrying sends a request again if its connection was closed. Several concurrent first requests
// open several connections. Go's HTTP/2 client then closes those that it does not need, even if
// there is a request on one ("http2: client connection force closed via ClientConn.Close";
// "unexpected EOF"). The server may have carried out the request already, but every change that
// mkube makes can be made twice.
type retrying struct{ next http.RoundTripper }

// forceClosed is in the text of the error, which has no type.
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

// changeLimit is the maximum time for retries of a change that the API server is temporarily unable
// to make. The server restarts within seconds, and waits 7 s for an answer of etcd.
const changeLimit = 20 * time.Second

// patiently makes a change, and retries it while the API server is briefly unavailable or cannot
// reach etcd. It must be possible to make the change twice, as with retrying.
func patiently(ctx context.Context, change func() error) error {
	deadline := time.Now().Add(changeLimit)
	// The pause between retries doubles from 100 ms to 1 s.
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

// passing reports whether an error of the API server is temporary, and not about the request.
func passing(err error) bool {
	if apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) {
		return true
	}
	if utilnet.IsConnectionReset(err) || utilnet.IsConnectionRefused(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err) {
		return true
	}
	// etcd's own errors are returned as internal errors, see
	// https://pkg.go.dev/go.etcd.io/etcd/api/v3/v3rpc/rpctypes.
	for _, text := range []string{"etcdserver: request timed out", "etcdserver: leader changed", "etcdserver: no leader"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
