// Written by write_types.py from tokenprof/pictures/views; not edited by hand.
interface PageData {
  schema: string;
  title: string;
  answer: Answer;
  cache_states: string[];
  turns: TurnColumns;
  context: ContextOverTurns;
  prompts: PromptRows;
  blocks: BlockColumns;
  tree: TreeColumns;
  against: AgainstRun | null;
  cache: CacheEvents;
  groups: GroupLine[];
  dollar: DollarMap | null;
  what_if: WhatIfCube;
  basis: BasisLine[];
  has_texts: boolean;
}

interface Answer {
  billed: string;
  billed_usd: number | null;
  is_lower_bound: boolean;
  compute: string;
  ratio: string;
  ratio_range: string;
  headline: string;
  about: string;
  driver: string;
  changes: SavingChange[];
  classes: ClassLine[];
  findings: FindingLine[];
  warnings: string[];
}

interface SavingChange {
  title: string;
  detail: string;
  saves: string;
  share: string;
  turns: number[];
}

interface ClassLine {
  name: string;
  label: string;
  tokens: number;
  billed_usd: number | null;
  billed: string;
  share: number | null;
  share_text: string;
  compute: string;
  ratio: string;
}

interface FindingLine {
  severity: string;
  title: string;
  detail: string;
  saves_usd: number | null;
  turns: number[];
}

interface TurnColumns {
  began: string | null;
  start_s: (number | null)[];
  duration_s: (number | null)[];
  agents: string[];
  agent: number[];
  models: string[];
  model: number[];
  status: string[];
  read_tokens: (number | null)[];
  written_tokens: (number | null)[];
  fresh_tokens: (number | null)[];
  output_tokens: (number | null)[];
  billed_usd: (number | null)[];
  compute_low_usd: (number | null)[];
  compute_mid_usd: (number | null)[];
  compute_high_usd: (number | null)[];
}

interface ContextOverTurns {
  kind: ContextBands;
  tool: ContextBands;
  block: ContextBands;
}

interface ContextBands {
  names: string[];
  kinds: string[];
  tokens: number[][][];
}

interface PromptRows {
  block_ids: string[];
  rows: PromptRow[];
  row: number[];
  length: number[];
  beside: Record<string, PromptRow>;
  fullest_turn: number | null;
}

interface PromptRow {
  block: number[];
  tokens: number[];
}

interface BlockColumns {
  number: number[];
  id: string[];
  kinds: string[];
  kind: number[];
  names: string[];
  name: number[];
  sources: string[];
  source: number[];
  born_turn: (number | null)[];
  last_turn: (number | null)[];
  size_tokens: (number | null)[];
  is_exact: boolean[];
  turns_carried: number[];
  billed_tokens: (number | null)[];
  billed_usd: (number | null)[];
  is_lower_bound: boolean[];
  compute_usd: (number | null)[];
  left_out: number;
  left_out_usd: number;
}

interface TreeColumns {
  level: string[];
  parent: number[];
  name: string[];
  kind: string[];
  block: number[];
  billed_usd: number[];
  tokens: number[];
  compute_usd: number[];
  needless_usd: number[];
}

interface AgainstRun {
  title: string;
  tree: ComparedTree;
}

interface ComparedTree {
  parent: number[];
  name: string[];
  before_usd: number[];
  now_usd: number[];
}

interface CacheEvents {
  misses: MissMark[];
  compactions: number[];
  waits: Wait[];
}

interface MissMark {
  turn: number;
  cause: string;
  cause_in_words: string;
  block: string;
  block_number: number;
  field: string;
  tokens: number;
  usd: number | null;
  evidence: string;
  words: WordRun[];
}

interface WordRun {
  change: "same" | "gone" | "new";
  text: string;
}

interface Wait {
  turn: number;
  next_turn: number;
  start_s: number;
  end_s: number;
  held_tokens: number;
  ttl_s: number | null;
  is_expired: boolean;
  lost_usd: number | null;
}

interface GroupLine {
  kind: string;
  name: string;
  blocks: number;
  billed_tokens: number;
  billed_usd: number | null;
  compute_usd: number | null;
}

interface DollarMap {
  paid: string;
  steps: DollarStep[];
  by_accounts: DollarStep[];
  bridge: BridgeLine[];
  margins: MarginRange[];
}

interface DollarStep {
  name: string;
  low_usd: number;
  mid_usd: number;
  high_usd: number;
  mid_share: number;
  source: string;
}

interface BridgeLine {
  name: string;
  from_level: number;
  to_level: number;
  factor: string;
  source: string;
}

interface MarginRange {
  name: string;
  low: number;
  mid: number | null;
  high: number;
  source: string;
  is_published: boolean;
}

interface WhatIfCube {
  before_usd: number | null;
  axes: WhatIfAxis[];
  cells: WhatIfCell[];
  assumes: string[];
  own: OwnHardware | null;
  left_out: string;
}

interface WhatIfAxis {
  name: string;
  values: string[];
  labels: string[];
}

interface WhatIfCell {
  at: number[];
  levers: string[];
  after_usd: number | null;
  low_usd: number | null;
  high_usd: number | null;
  compute_low_usd: number | null;
  compute_mid_usd: number | null;
  compute_high_usd: number | null;
  saving_kind: string;
}

interface OwnHardware {
  deployment: string;
  usd_per_gpu_hour: number[];
  low_usd: number[];
  mid_usd: number[];
  high_usd: number[];
}

interface BasisLine {
  about: string;
  name: string;
  value: string;
  source: string;
}

interface DifferenceData {
  schema: string;
  before: ComparedRun;
  now: ComparedRun;
  usd: number;
  written: string;
  causes: CauseLine[];
  tree: ComparedTree;
  notes: string[];
}

interface ComparedRun {
  title: string;
  billed: string;
  calls: number;
  context: ContextBands;
}

interface CauseLine {
  text: string;
  usd: number;
  written: string;
}

interface FleetData {
  schema: string;
  billed: string;
  is_lower_bound: boolean;
  turns: number;
  tokens_in: number;
  read_share: number | null;
  missing: string[];
  days: string[];
  day_usd: number[];
  pace: Pace | null;
  trend: BillTrend | null;
  usual_session: UsualSession | null;
  ahead_days: string[];
  tables: FleetTable[];
}

interface Pace {
  days: number;
  low_usd: number;
  mid_usd: number;
  high_usd: number;
}

interface BillTrend {
  days: number;
  week_usd: number[];
  next_usd: number[];
  line_usd: number[];
  day_low_usd: number[];
  day_mid_usd: number[];
  day_high_usd: number[];
}

interface UsualSession {
  sessions: number;
  low_usd: number;
  mid_usd: number;
  high_usd: number;
}

interface FleetTable {
  dimension: string;
  rows: FleetRow[];
  left_out: number;
}

interface FleetRow {
  name: string;
  billed_usd: number;
  is_lower_bound: boolean;
  turns: number | null;
  tokens: number;
}
