//! Generates contracts and what the chain records about them.

use super::Generator;
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{
            ChargedRange, Claim, ClaimState, ClaimSubject, ClauseProgress, Decision, Dispute,
            HandoverConfirmation, IrregularityKind, Moment, Outcome, Payment, ProvenPoint, Served, Track,
        },
        AcceptedSigners, AccessClause, BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause,
        CommandRule, ContentHash, ContractContent, ContractRole, ControlClause, Currency, CustodyClause,
        DataClass, Deadlines, Documents, Grantee, HandoverClause, Interval, Meter, NumberedClause, OnChange,
        ParameterLimit, Quantity, ReadingSelection, ReportClause, RoleHolder, ServiceClause, Terms,
        UsageClause, Verdict,
    },
    reading::Unit,
};

impl Generator {
    fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.below(N as u64) as usize]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn unit(&mut self) -> Unit {
        Unit::try_from(self.word(16)).unwrap()
    }

    fn contract_role(&mut self) -> ContractRole {
        self.pick(ContractRole::LIST)
    }

    fn documents(&mut self) -> Documents {
        self.list(8, Self::hash).try_into().unwrap()
    }

    fn on_change(&mut self) -> OnChange {
        match self.below(2) {
            0 => OnChange::Ends,
            _ => OnChange::AwaitsSuccessor { within: self.number() },
        }
    }

    fn verdict(&mut self) -> Verdict {
        self.pick([Verdict::Stands, Verdict::Void])
    }

    fn meter(&mut self) -> Meter {
        Meter { name: self.name(), unit: self.unit(), max_per_day: self.decimal() }
    }

    fn grantee(&mut self) -> Grantee {
        match self.below(2) {
            0 => Grantee::Party(self.party()),
            _ => Grantee::Role(self.contract_role()),
        }
    }

    fn currency(&mut self) -> Currency {
        self.pick(["EUR", "JPY", "KWD", "USD"]).parse().unwrap()
    }

    fn clause(&mut self) -> Clause {
        match self.below(9) {
            0 => Clause::Service(ServiceClause {
                subject: self.hash(),
                device: self.device(),
                meter: self.maybe(Self::meter),
                by_meter: self.maybe(|g| Interval { from: g.decimal(), every: g.decimal() }),
                by_time: self.maybe(|g| Interval { from: g.number(), every: g.number() }),
                provider: self.party(),
                customer: self.party(),
            }),
            1 => Clause::Bound(BoundClause {
                device: self.device(),
                reading: self.name(),
                unit: self.unit(),
                min: self.maybe(Self::decimal),
                max: self.maybe(Self::decimal),
                tolerated: self.number(),
                obliged: self.party(),
                claimant: self.party(),
            }),
            2 => Clause::Usage(UsageClause {
                device: self.device(),
                meter: self.meter(),
                period: self.number(),
                allowance: self.decimal(),
                carry_over: match self.below(2) {
                    0 => CarryOver::None,
                    _ => CarryOver::UpTo(self.decimal()),
                },
                user: self.party(),
                claimant: self.party(),
            }),
            3 => Clause::Report(ReportClause {
                device: self.device(),
                reading: self.name(),
                every: self.number(),
                obliged: self.party(),
                claimant: self.party(),
            }),
            4 => Clause::Access(AccessClause {
                device: self.device(),
                grantor: self.party(),
                grantee: self.grantee(),
                readings: match self.below(3) {
                    0 => ReadingSelection::All,
                    1 => ReadingSelection::Names(self.list(16, Self::name).try_into().unwrap()),
                    _ => ReadingSelection::Class(self.pick([DataClass::Raw, DataClass::PreProcessed])),
                },
                purpose: self.maybe(Self::hash),
                until: self.number(),
            }),
            5 => Clause::Control(ControlClause {
                device: self.device(),
                grantor: self.party(),
                grantee: self.grantee(),
                commands: self.list(8, Self::command_rule).try_into().unwrap(),
                until: self.number(),
            }),
            6 => Clause::Custody(CustodyClause {
                device: self.device(),
                grantor: self.party(),
                custodian: self.party(),
                until: self.number(),
            }),
            7 => Clause::Handover(HandoverClause {
                device: self.device(),
                from: self.party(),
                to: self.party(),
                meter: self.maybe(Self::meter),
            }),
            _ => Clause::Charge(ChargeClause {
                subject: self.maybe(Self::hash),
                basis: match self.below(3) {
                    0 => ChargeBasis::Once,
                    1 => {
                        ChargeBasis::Meter { device: self.device(), meter: self.meter(), per: self.decimal() }
                    }
                    _ => ChargeBasis::Time { per: self.number() },
                },
                rate: self.decimal(),
                currency: self.currency(),
                rounding: self.pick([Rounding::HalfEven, Rounding::HalfUp, Rounding::Down, Rounding::Up]),
                creditor: self.party(),
                debtor: self.party(),
            }),
        }
    }

    fn command_rule(&mut self) -> CommandRule {
        let limit = |g: &mut Self| ParameterLimit {
            name: g.name(),
            min: g.maybe(Self::decimal),
            max: g.maybe(Self::decimal),
        };
        CommandRule {
            name: self.name(),
            per_hour: self.maybe(|g| g.number() as u32),
            limits: self.list(2, limit).try_into().unwrap(),
        }
    }

    pub fn contract(&mut self) -> ContractContent {
        let holder = |g: &mut Self| RoleHolder { role: g.contract_role(), party: g.party() };
        let numbered = |g: &mut Self| NumberedClause { number: g.number() as u16, clause: g.clause() };
        ContractContent::V1(Terms {
            nonce: self.hash(),
            parties: self.list(8, holder).try_into().unwrap(),
            arbiter: self.maybe(Self::party),
            devices: self.list(16, Self::device).try_into().unwrap(),
            starts: self.number(),
            ends: self.end(),
            deadlines: Deadlines {
                accept: self.number(),
                notice: self.end(),
                contest: self.number(),
                rule: self.number(),
            },
            unruled: self.verdict(),
            on_sale: self.on_change(),
            on_leave: self.on_change(),
            signers: self.pick([AcceptedSigners::DeviceOnly, AcceptedSigners::GatewayToo]),
            documents: self.documents(),
            clauses: self.list(16, numbered).try_into().unwrap(),
        })
    }

    fn moment(&mut self) -> Moment {
        Moment { block: self.number() as u32, time: self.number() }
    }

    fn point(&mut self) -> ProvenPoint {
        ProvenPoint { sequence: self.number(), time: self.number(), value: self.decimal() }
    }

    fn charged_range(&mut self) -> ChargedRange {
        match self.below(3) {
            0 => ChargedRange::Once,
            1 => ChargedRange::Meter(self.point(), self.point()),
            _ => ChargedRange::Time(self.number(), self.number()),
        }
    }

    fn subject(&mut self) -> ClaimSubject {
        match self.below(6) {
            0 => ClaimSubject::Service { at: self.maybe(Self::point), time: self.number() },
            1 => ClaimSubject::Breach { first: self.point(), last: self.maybe(Self::point) },
            2 => ClaimSubject::Usage {
                period: self.number() as u32,
                first: self.point(),
                last: self.point(),
                used: self.decimal(),
                allowance: self.decimal(),
                over: self.decimal(),
                carried_in: self.decimal(),
                carried: self.decimal(),
            },
            3 => ClaimSubject::Gap { before: self.point(), after: self.point() },
            4 => ClaimSubject::Charge {
                quantity: match self.below(3) {
                    0 => Quantity::Once,
                    1 => Quantity::Meter(self.decimal()),
                    _ => Quantity::Time(self.number()),
                },
                range: self.charged_range(),
                amount: self.decimal(),
            },
            _ => ClaimSubject::Irregularity {
                last: self.point(),
                found: self.point(),
                kind: self.pick([
                    IrregularityKind::Fell,
                    IrregularityKind::Leapt,
                    IrregularityKind::TimeWentBack,
                ]),
            },
        }
    }

    pub fn claim(&mut self) -> Claim {
        let decision = self.pick([
            Decision::Confirmed,
            Decision::Silence,
            Decision::Refuted,
            Decision::Settled,
            Decision::Ruled,
            Decision::Unruled,
        ]);
        Claim {
            number: self.number() as u32,
            clause: self.number() as u16,
            content: ContentHash(self.bytes()),
            claimant: self.party(),
            respondent: self.party(),
            subject: self.subject(),
            documents: self.documents(),
            made: self.moment(),
            contest_until: self.number(),
            state: self.pick([
                ClaimState::Claimed,
                ClaimState::Disputed,
                ClaimState::Stands(decision),
                ClaimState::Void(decision),
            ]),
            payment: self.pick([Payment::Open, Payment::Claimed, Payment::Confirmed]),
        }
    }

    fn outcome(&mut self) -> Outcome {
        match self.below(4) {
            0 => Outcome::Stands,
            1 => Outcome::Void,
            2 => Outcome::Amount(self.decimal()),
            _ => Outcome::Reading { sequence: self.number() },
        }
    }

    pub fn dispute(&mut self) -> Dispute {
        Dispute {
            raised_by: self.party(),
            raised: self.moment(),
            documents: self.documents(),
            answer: self.maybe(Self::documents),
            rule_until: self.number(),
            candidate: self.maybe(Self::point),
            claimant_offer: self.maybe(Self::outcome),
            respondent_offer: self.maybe(Self::outcome),
            ruling: self.maybe(Self::documents),
        }
    }

    pub fn clause_progress(&mut self) -> ClauseProgress {
        let confirmation =
            |g: &mut Self| HandoverConfirmation { meter: g.maybe(Self::point), at: g.moment() };
        let track = match self.below(6) {
            0 => Track::Nothing,
            1 => Track::Service {
                served: self.maybe(|g| Served { meter: g.maybe(Self::decimal), time: g.number() }),
                open: self.maybe(|g| g.number() as u32),
            },
            2 => Track::Usage { next_period: self.number() as u32, carried: self.decimal() },
            3 => Track::Charged(self.charged_range()),
            4 => Track::Handover {
                from: self.maybe(confirmation),
                to: self.maybe(confirmation),
                done: self.flag(),
            },
            _ => Track::Revoked { by: self.party(), at: self.moment() },
        };
        ClauseProgress {
            meter: self.maybe(Self::point),
            irregularity: self.maybe(|g| g.number() as u32),
            claims: self.number() as u32,
            track,
        }
    }
}
