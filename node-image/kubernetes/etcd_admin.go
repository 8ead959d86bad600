package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// addLimit is the maximum time until etcd accepts a new member. etcd accepts none while it counts a
// member as unhealthy. A member that has just started counts as unhealthy for some seconds, see
// https://etcd.io/docs/latest/op-guide/runtime-configuration/#strict-reconfiguration-check-mode--strict-reconfig-check.
const (
	addLimit = 30 * time.Second
	addPause = 200 * time.Millisecond
)

// etcdAdmin runs a command that changes etcd. known is false for unknown arguments.
func etcdAdmin(ctx context.Context, client *clientv3.Client, args []string) (known bool, err error) {
	switch {
	case len(args) == 3 && args[0] == "member" && args[1] == "add":
		return true, addMember(ctx, client, args[2], addPause)
	case len(args) == 3 && args[0] == "member" && args[1] == "remove":
		return true, removeMembers(ctx, client, func(urls []string) bool { return slices.Contains(urls, args[2]) })
	case len(args) > 2 && args[0] == "member" && args[1] == "keep":
		return true, removeMembers(ctx, client, func(urls []string) bool {
			return !slices.ContainsFunc(urls, func(u string) bool { return slices.Contains(args[2:], u) })
		})
	case len(args) == 1 && args[0] == "check":
		return true, checkStore(ctx, client, fmt.Sprintf("mkube-check-%d", time.Now().UnixNano()))
	case len(args) == 2 && args[0] == "alarm" && args[1] == "disarm":
		return true, disarmAlarms(ctx, client)
	}
	return false, nil
}

// addMember announces a member by its peer URL, before the member starts. While etcd counts a member
// as unhealthy, it tries again after a pause, until addLimit.
func addMember(ctx context.Context, client clientv3.Cluster, peerURL string, pause time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, addLimit)
	defer cancel()
	for {
		_, err := client.MemberAdd(ctx, []string{peerURL})
		if err == nil || !errors.Is(err, rpctypes.ErrUnhealthy) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// removeMembers removes the members for whose peer URLs gone returns true. It compares URLs, because a
// member that was announced and never started has a URL but no name. It is no error if there is none.
func removeMembers(ctx context.Context, client clientv3.Cluster, gone func(peerURLs []string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, etcdLimit)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return fmt.Errorf("listing the members: %w", err)
	}
	for _, m := range list.Members {
		if !gone(m.PeerURLs) {
			continue
		}
		if _, err := client.MemberRemove(ctx, m.ID); err != nil {
			return fmt.Errorf("removing member %x (%v): %w", m.ID, m.PeerURLs, err)
		}
	}
	return nil
}

// checkStore stores a value under an unused key, reads it, and deletes it, also if it could not be
// read.
func checkStore(ctx context.Context, client clientv3.KV, key string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdLimit)
	defer cancel()
	if _, err := client.Put(ctx, key, "1"); err != nil {
		return fmt.Errorf("storing a value: %w", err)
	}
	defer func() {
		if _, deleteErr := client.Delete(ctx, key); deleteErr != nil {
			err = errors.Join(err, fmt.Errorf("deleting the value: %w", deleteErr))
		}
	}()
	got, err := client.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("reading the value: %w", err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "1" {
		return errors.New("the stored value is missing")
	}
	return nil
}

// disarmAlarms disarms every alarm. etcd requires the member ID of each alarm, see
// https://etcd.io/docs/latest/op-guide/maintenance/#space-quota.
func disarmAlarms(ctx context.Context, client clientv3.Maintenance) error {
	ctx, cancel := context.WithTimeout(ctx, etcdLimit)
	defer cancel()
	list, err := client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("listing the alarms: %w", err)
	}
	for _, a := range list.Alarms {
		if _, err := client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(a)); err != nil {
			return fmt.Errorf("disarming alarm %s of member %x: %w", a.Alarm, a.MemberID, err)
		}
	}
	return nil
}
