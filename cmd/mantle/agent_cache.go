package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/sealed"
)

// loanCache keeps loans between runs in a sealed file.
type loanCache struct {
	file   *sealed.File
	broker *broker.Broker
	log    *slog.Logger
	dirty  chan struct{}
}

// savedLoan is broker.Saved with its secrets, which that does not write.
type savedLoan struct {
	Key                                        []byte
	AccessKeyID, SecretAccessKey, SessionToken string
	RoleARN, AccountID                         string
	Issued, Expires                            time.Time
	Life, Skew                                 time.Duration
}

// openCache opens the cache that the configuration names; nil if it names none.
func (a *agentRun) openCache(cfg *config.Config) (*loanCache, error) {
	if cfg.Agent.Cache == "" {
		return nil, nil
	}
	f, err := sealed.Open(cfg.Agent.Cache, cfg.Agent.CacheKey, "loans")
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	return &loanCache{file: f, log: a.log(), dirty: make(chan struct{}, 1)}, nil
}

// tee hears of events beside the audit, which may be nil: new loans are kept.
func (k *loanCache) tee(audit func(broker.Event)) func(broker.Event) {
	return func(ev broker.Event) {
		if audit != nil {
			audit(ev)
		}
		if ev.Outcome != broker.Issued {
			return
		}
		select {
		case k.dirty <- struct{}{}:
		default:
		}
	}
}

// restore hands the broker what the file holds. A file that cannot be read is
// as good as none: everything is borrowed anew.
func (k *loanCache) restore(b *broker.Broker) {
	k.broker = b
	text, err := k.file.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list []savedLoan
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		k.log.Warn("the kept loans are of no use; new ones are borrowed", "error", err)
		return
	}
	saved := make([]broker.Saved, len(list))
	for i, s := range list {
		saved[i] = broker.Saved{Key: string(s.Key), Life: s.Life, Skew: s.Skew, Credentials: broker.Credentials{
			AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken,
			RoleARN: s.RoleARN, AccountID: s.AccountID, Issued: s.Issued, Expires: s.Expires,
		}}
	}
	b.Restore(saved)
}

// cacheDelay lets loans that are made together be written together.
const cacheDelay = 500 * time.Millisecond

// run writes what is new until ctx ends, and once more then.
func (k *loanCache) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			k.write()
			return
		case <-k.dirty:
		}
		select {
		case <-ctx.Done():
		case <-time.After(cacheDelay):
		}
		k.write()
	}
}

func (k *loanCache) write() {
	list := []savedLoan{}
	for _, s := range k.broker.Save() {
		c := s.Credentials
		list = append(list, savedLoan{[]byte(s.Key), c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.RoleARN, c.AccountID, c.Issued, c.Expires, s.Life, s.Skew})
	}
	text, err := json.Marshal(list)
	if err == nil {
		err = k.file.Write(text)
	}
	clear(text)
	for i := range list {
		list[i] = savedLoan{}
	}
	if err != nil {
		k.log.Warn("loans could not be kept; a restart would borrow them anew", "error", err)
	}
}
