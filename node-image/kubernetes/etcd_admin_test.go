package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// fakeCluster is an etcd cluster with members. The field unhealthy is the number of calls of MemberAdd
// that fail.
type fakeCluster struct {
	clientv3.Cluster
	unhealthy int
	members   []*etcdserverpb.Member
	added     []string
	removed   []uint64
	err       error
}

func (c *fakeCluster) MemberAdd(_ context.Context, urls []string) (*clientv3.MemberAddResponse, error) {
	if c.unhealthy > 0 {
		c.unhealthy--
		return nil, rpctypes.ErrUnhealthy
	}
	c.added = append(c.added, urls...)
	return new(clientv3.MemberAddResponse), c.err
}

func (c *fakeCluster) MemberList(context.Context, ...clientv3.OpOption) (*clientv3.MemberListResponse, error) {
	return &clientv3.MemberListResponse{Members: c.members}, c.err
}

func (c *fakeCluster) MemberRemove(_ context.Context, id uint64) (*clientv3.MemberRemoveResponse, error) {
	c.removed = append(c.removed, id)
	return new(clientv3.MemberRemoveResponse), nil
}

func TestAddMember(t *testing.T) {
	c := &fakeCluster{unhealthy: 3}
	if err := addMember(t.Context(), c, "https://a:2380", time.Microsecond); err != nil || !slices.Equal(c.added, []string{"https://a:2380"}) {
		t.Errorf("added %q, %v", c.added, err)
	}
	full := errors.New("full")
	if err := addMember(t.Context(), &fakeCluster{err: full}, "https://a:2380", time.Hour); !errors.Is(err, full) {
		t.Errorf("another error is %v; want it at once", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := addMember(ctx, &fakeCluster{unhealthy: 1 << 20}, "https://a:2380", time.Hour); !errors.Is(err, rpctypes.ErrUnhealthy) {
		t.Errorf("a cancelled wait ends with %v; want %v", err, rpctypes.ErrUnhealthy)
	}
}

func TestRemoveMembers(t *testing.T) {
	members := []*etcdserverpb.Member{
		{ID: 1, Name: "a", PeerURLs: []string{"https://a:2380"}},
		{ID: 2, Name: "", PeerURLs: []string{"https://b:2380"}}, // never started
		{ID: 3, Name: "c", PeerURLs: []string{"https://c:2380"}},
	}
	for args, want := range map[string][]uint64{
		"remove https://b:2380":                             {2},
		"remove https://d:2380":                             nil,
		"keep https://a:2380 https://c:2380":                {2},
		"keep https://a:2380 https://b:2380 https://c:2380": nil,
	} {
		c := &fakeCluster{members: members}
		client := &clientv3.Client{Cluster: c}
		known, err := etcdAdmin(t.Context(), client, append([]string{"member"}, strings.Fields(args)...))
		if !known || err != nil || !slices.Equal(c.removed, want) {
			t.Errorf("member %s: removed %v, known %t, %v; want %v", args, c.removed, known, err, want)
		}
	}
}

// TestEtcdAdminArguments checks that wrong arguments change nothing.
func TestEtcdAdminArguments(t *testing.T) {
	for _, args := range []string{"member", "member add", "member add a b", "member keep", "member drop a", "alarm", "alarm list", "check it"} {
		if known, err := etcdAdmin(t.Context(), nil, strings.Fields(args)); known || err != nil {
			t.Errorf("%s: known %t, %v", args, known, err)
		}
	}
}

// fakeStore is a key-value store. If loses is set, it does not store values.
type fakeStore struct {
	clientv3.KV
	loses   bool
	values  map[string]string
	deleted []string
}

func (s *fakeStore) Put(_ context.Context, key, value string, _ ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	if !s.loses {
		s.values[key] = value
	}
	return nil, nil
}

func (s *fakeStore) Get(_ context.Context, key string, _ ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	response := new(clientv3.GetResponse)
	if value, ok := s.values[key]; ok {
		response.Kvs = append(response.Kvs, &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value)})
	}
	return response, nil
}

func (s *fakeStore) Delete(_ context.Context, key string, _ ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	s.deleted = append(s.deleted, key)
	return nil, nil
}

func TestCheckStore(t *testing.T) {
	for loses, want := range map[bool]string{false: "", true: "the stored value is missing"} {
		s, got := &fakeStore{loses: loses, values: map[string]string{}}, ""
		if err := checkStore(t.Context(), s, "k"); err != nil {
			got = err.Error()
		}
		if got != want || !slices.Equal(s.deleted, []string{"k"}) {
			t.Errorf("a store that loses %t: %q, deleted %q; want %q", loses, got, s.deleted, want)
		}
	}
}
