package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/provider"
)

// AddMember tells etcd of a member that will join, by one of its members' nodes. It
// must be told before the member starts.
func AddMember(ctx context.Context, via []provider.Node, n provider.Node) error {
	// A member that has just come back is not counted as healthy for some seconds, and etcd
	// takes in nobody meanwhile, see
	// https://etcd.io/docs/latest/op-guide/runtime-configuration/#strict-reconfiguration-check-mode--strict-reconfig-check.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var err error
	_ = component.Eventually(ctx, func() error {
		err = ask(ctx, via, "cluster/member/add", map[string]any{"peerURLs": []string{peerURL(n)}}, nil)
		if err != nil && strings.Contains(err.Error(), "unhealthy cluster") {
			return err
		}
		return nil // done, or no reason to wait
	})
	if err != nil {
		return fmt.Errorf("adding %s to etcd: %w", n.Name(), err)
	}
	return nil
}

// RemoveMember takes the member on a node out of etcd, by one of the other members'
// nodes. None there is no error.
func RemoveMember(ctx context.Context, via []provider.Node, n provider.Node) error {
	// One that has never started has no name yet.
	err := removeMembers(ctx, via, func(urls []string) bool { return slices.Contains(urls, peerURL(n)) })
	if err != nil {
		return fmt.Errorf("removing %s from etcd: %w", n.Name(), err)
	}
	return nil
}

// RemoveUnknown takes the members out of etcd that are on none of these nodes: those
// that were announced by an add that was killed. They count for the quorum.
func RemoveUnknown(ctx context.Context, nodes []provider.Node) error {
	var known []string
	for _, n := range nodes {
		known = append(known, peerURL(n))
	}
	err := removeMembers(ctx, nodes, func(urls []string) bool {
		return !slices.ContainsFunc(urls, func(u string) bool { return slices.Contains(known, u) })
	})
	if err != nil {
		return fmt.Errorf("removing members without a node from etcd: %w", err)
	}
	return nil
}

// removeMembers takes the members with such peer URLs out of etcd.
func removeMembers(ctx context.Context, via []provider.Node, gone func(peerURLs []string) bool) error {
	var list struct {
		Members []struct {
			ID       string
			PeerURLs []string
		}
	}
	if err := ask(ctx, via, "cluster/member/list", map[string]any{}, &list); err != nil {
		return fmt.Errorf("listing the members of etcd: %w", err)
	}
	for _, m := range list.Members {
		if !gone(m.PeerURLs) {
			continue
		}
		if err := ask(ctx, via, "cluster/member/remove", map[string]any{"ID": m.ID}, nil); err != nil {
			return err
		}
	}
	return nil
}

// ask calls etcd's API by its JSON gateway on the first node that has an answer, see
// https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/.
func ask(ctx context.Context, via []provider.Node, method string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	cert := pkiDir + "/healthcheck-client"
	var errs []error
	for _, n := range via {
		out, err := provider.Output(ctx, n, "curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "10",
			"--cacert", pkiDir+"/ca.crt", "--cert", cert+".crt", "--key", cert+".key",
			"--data", string(body), "https://127.0.0.1:2379/v3/"+method)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%w: %s", err, out))
		case response == nil:
			return nil
		default:
			return json.Unmarshal(out, response)
		}
	}
	return errors.Join(errs...)
}
