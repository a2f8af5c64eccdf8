// All that the page says, in English and in Simplified Chinese, side by side.

const WORDS = {
  skip: ["Skip to the result", "跳到结果"],
  verbs: ["What to do", "要做什么"],
  train: ["Train", "训练"],
  fit: ["Fit", "拟合"],
  approximate: ["Approximate", "逼近"],
  share: ["Copy link", "复制链接"],
  shared: ["Link copied", "链接已复制"],
  theme_auto: ["Theme: system", "主题：跟随系统"],
  theme_light: ["Theme: light", "主题：浅色"],
  theme_dark: ["Theme: dark", "主题：深色"],
  dropHere: ["Drop the file here", "把文件放到这里"],
  working: ["computing …", "计算中……"],
  unreachable: [
    "The server does not answer. Start it again with: polyoptim serve. This page then goes on by itself.",
    "服务器没有响应。请重新运行：polyoptim serve，本页会自动继续。",
  ],

  targetGroup: ["Target", "目标"],
  polynomialGroup: ["Polynomial", "多项式"],
  optimizerGroup: ["Optimizer", "优化器"],
  runGroup: ["Run", "运行"],
  target: ["Function of x", "x 的函数"],
  targetHelp: ["such as sin(x), exp(-x**2)*cos(3*x), abs(x)", "例如 sin(x)、exp(-x**2)*cos(3*x)、abs(x)"],
  domain: ["Domain", "区间"],
  domainFrom: ["Domain from", "区间起点"],
  domainTo: ["Domain to", "区间终点"],
  samples: ["Samples", "样本数"],
  openFile: ["Open a CSV or Parquet file", "打开 CSV 或 Parquet 文件"],
  orDrop: ["or drop one anywhere on the page", "或拖放到页面任意处"],
  ownFile: ["File", "文件"],
  leaveFile: ["Back to a function", "返回函数"],
  columnX: ["Column of x", "x 列"],
  columnY: ["Column of y", "y 列"],
  dropAgain: [
    "This is about the file {name}, which is not here. Drop it on the page, or open it.",
    "这里用到文件 {name}，但它不在此处。请把它拖放到页面上，或打开它。",
  ],
  range: ["range of x", "x 的范围"],

  degree: ["Degree", "次数"],
  basis: ["Basis", "基"],
  basis_power: ["power: 1, x, x²", "幂基：1, x, x²"],
  basis_chebyshev: ["Chebyshev", "切比雪夫"],
  basis_legendre: ["Legendre", "勒让德"],
  basis_hermite: ["Hermite", "埃尔米特"],
  basis_laguerre: ["Laguerre", "拉盖尔"],
  optimizer: ["Optimizer", "优化器"],
  lr: ["Learning rate (lr)", "学习率（lr）"],
  bestRate: ["Find the best lr", "寻找最佳 lr"],
  stable: ["Gradient descent diverges above 2/λmax = {rate} here.", "此处梯度下降在 lr 超过 2/λmax = {rate} 时发散。"],
  schedule: ["Schedule", "学习率调度"],
  none: ["none: lr stays", "无：lr 不变"],
  steps: ["Steps", "步数"],
  seed: ["Seed of the start", "初始值的种子"],
  otherSeed: ["Another start", "换一个初始值"],
  typed: ["{label}, typed", "{label}，键入"],

  step: ["Step", "步"],
  play: ["Play", "播放"],
  pause: ["Pause", "暂停"],
  atStep: ["step {step} of {steps}", "第 {step} 步，共 {steps} 步"],
  loss: ["loss", "损失"],
  optimum: ["optimum", "最优值"],
  gap: ["gap", "差距"],
  best: ["best", "最佳"],
  endAt: ["after {steps} steps", "{steps} 步之后"],
  status_steps_done: ["all steps done", "全部步数完成"],
  status_converged: ["converged", "已收敛"],
  status_diverged: ["diverged", "发散"],
  status_stopped: ["stopped", "已停止"],
  status_interrupted: ["interrupted", "已中断"],
  status_failed: ["failed", "失败"],
  status_rank_deficient: ["rank deficient", "秩亏"],
  gapNone: ["none: the optimum is zero to rounding", "无：最优值在舍入误差内为零"],

  curveTitle: ["Polynomial and target", "多项式与目标"],
  lossTitle: ["Loss over the steps", "损失随步数的变化"],
  coefTitle: ["Coefficients over the steps", "系数随步数的变化"],
  pathTitle: ["Path over the loss", "损失等高线上的路径"],
  stateTitle: ["What the optimizer remembers", "优化器的记忆"],
  across: ["coefficient across", "横轴系数"],
  upwards: ["coefficient upwards", "纵轴系数"],
  stateName: ["state", "状态"],
  stateless: ["This optimizer keeps nothing that belongs to single coefficients.", "该优化器不为单个系数保存任何状态。"],
  stateEmpty: ["With these options it remembers nothing.", "在这些选项下它什么也不记住。"],
  single: ["One coefficient has no plane to walk on.", "只有一个系数，没有可画路径的平面。"],
  seriesTarget: ["target", "目标"],
  seriesPolynomial: ["polynomial", "多项式"],
  seriesBest: ["best polynomial", "最佳多项式"],
  curveLabel: [
    "The polynomial at step {step} and the target from {a} to {b}. Loss {loss}; least possible {optimum}.",
    "第 {step} 步的多项式与目标，x 从 {a} 到 {b}。损失 {loss}；可能的最小值 {optimum}。",
  ],
  lossLabel: ["The loss goes from {first} to {last} in {steps} steps; the optimum is {optimum}.", "损失在 {steps} 步内从 {first} 变为 {last}；最优值为 {optimum}。"],
  coefLabel: ["At the end the coefficients are {list}.", "最终系数为 {list}。"],
  pathLabel: ["The coefficients of {x} and {y} go from {from} to {to}; the best are {best}.", "{x} 与 {y} 的系数从 {from} 走到 {to}；最佳值为 {best}。"],
  stateLabel: ["{name} of each coefficient over the steps.", "每个系数的 {name} 随步数的变化。"],
  pathNote: ["The other coefficients are those of the step shown.", "其余系数取所示步的值。"],

  raceTitle: ["Race: several optimizers on the same picture", "竞赛：多个优化器在同一张图上"],
  raceText: [
    "Each takes the best of 81 learning rates on the same grid, from the same start, in the same steps.",
    "每个优化器都在同一网格的 81 个学习率中取最佳者，初始值和步数相同。",
  ],
  racers: ["Optimizers in the race", "参赛的优化器"],
  racer: ["optimizer", "优化器"],
  bestLr: ["best lr", "最佳 lr"],
  lossAtEnd: ["loss at the end", "最终损失"],
  gapAtEnd: ["gap at the end", "最终差距"],
  adopt: ["Take it", "采用"],
  adoptOf: ["Take {name} with lr {lr}", "采用 {name}，lr 为 {lr}"],
  mapTitle: ["Map: how the end depends on lr and another number", "地图：结果如何取决于 lr 与另一参数"],
  mapText: [
    "Each cell is a whole run of {name} with these steps: its loss above the optimum at the end. Grey: it diverged. Click a cell to take it.",
    "每格是一次完整的 {name} 运行（步数相同）：最终损失高出最优值多少。灰色：发散。点击格子即可采用。",
  ],
  mapNone: ["{name} has no second number for a map.", "{name} 没有可作图的第二个参数。"],
  mapBest: ["Best: lr {lr}, {other} {value}, loss {loss}.", "最佳：lr {lr}，{other} {value}，损失 {loss}。"],
  mapFilling: ["{done} of {all} runs", "已完成 {done} / {all} 次运行"],
  mapLabel: ["Map of {name}: lr across, {other} upwards.", "{name} 的地图：横轴 lr，纵轴 {other}。"],
  mapEdge: ["White line: the largest stable lr by theory.", "白线：理论上的最大稳定 lr。"],
  excessScale: ["loss − optimum", "损失 − 最优值"],
  take: ["Take the best", "采用最佳"],

  download: ["Download", "下载"],
  downloadFile: ["Download {name}", "下载 {name}"],
  inTerminal: ["The same in a terminal:", "在终端中得到同样的结果："],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],

  dataGroup: ["Data", "数据"],
  lossGroup: ["Loss and bands", "损失与区间带"],
  sigma: ["Errors of y (sigma)", "y 的误差（sigma）"],
  sigmaNone: ["none given", "未给出"],
  dropRows: ["Leave out rows with gaps", "略去有缺失值的行"],
  example: ["Try an example: a load cell (NIST Pontius)", "试一个例子：测力传感器（NIST Pontius）"],
  fitNothing: ["Drop a CSV or Parquet file on the page, or try the example.", "请把 CSV 或 Parquet 文件拖放到页面上，或试试例子。"],
  autoDegree: ["Choose the degree by cross-validation", "用交叉验证选择次数"],
  lossChoice: ["Loss", "损失函数"],
  loss_squared: ["The sum of squares: best for Gaussian errors; outliers pull.", "平方和：适合高斯误差；受离群点影响。"],
  loss_absolute: ["The sum of distances: half of the rows above, half below.", "距离之和：一半的行在上，一半在下。"],
  loss_huber: ["Squares near, distances far: outliers pull only so much.", "近处取平方，远处取距离：离群点的影响有限。"],
  loss_smooth_l1: ["Huber's loss in torch's scale.", "按 torch 尺度的 Huber 损失。"],
  loss_soft_l1: ["A smooth curve between squares and distances.", "介于平方与距离之间的光滑曲线。"],
  loss_logcosh: ["log cosh: squares near, distances far, smooth everywhere.", "log cosh：近处平方，远处距离，处处光滑。"],
  loss_pnorm: ["The power p of the distance.", "距离的 p 次幂。"],
  loss_quantile: ["A share q of the rows lies below the curve.", "曲线之下的行占比为 q。"],
  loss_tukey: ["Rows far away do not count at all; the best found, not proved.", "远处的行完全不计；为所找到的最佳，未经证明。"],
  level: ["Probability of the bands", "区间带的概率"],
  exact: ["exact: the optimum", "精确：最优值"],
  bestFound: ["best found", "所找到的最佳"],
  residualSd: ["residual std. dev.", "残差标准差"],
  rows: ["{rows} rows", "{rows} 行"],
  degreeOf: ["degree {degree}", "{degree} 次"],
  fitTitle: ["Polynomial, rows and bands", "多项式、数据行与区间带"],
  residualTitle: ["Residuals", "残差"],
  residual: ["y − polynomial", "y − 多项式"],
  statistics: ["Statistics", "统计量"],
  reportTitle: ["The whole report", "完整报告"],
  confidence: ["confidence band, {level} %", "置信带，{level} %"],
  prediction: ["prediction band, {level} %", "预测带，{level} %"],
  lower: ["its lower edge", "其下缘"],
  coefficientOf: ["coefficient of", "系数所属项"],
  constant: ["constant", "常数"],
  value: ["value", "值"],
  stdError: ["std. error", "标准误差"],
  coefTable: ["Coefficients", "系数"],
  dof: ["degrees of freedom", "自由度"],
  adjusted: ["R² adjusted", "调整后的 R²"],
  largestResidual: ["largest residual", "最大残差"],
  errorsKind: ["errors", "误差类型"],
  errors_relative: ["relative: their size comes from the residuals", "相对：大小取自残差"],
  errors_absolute: ["absolute: sigma is the std. dev. of each y", "绝对：sigma 是每个 y 的标准差"],
  errors_asymptotic: ["asymptotic", "渐近"],
  errors_none: ["none", "无"],
  fitLabel: ["The polynomial through {rows} rows, x from {a} to {b}, with its bands.", "穿过 {rows} 行数据的多项式及其区间带，x 从 {a} 到 {b}。"],
  residualLabel: ["The residuals over x; the largest is {largest}.", "残差随 x 的变化；最大为 {largest}。"],
  noPoints: ["There are too many rows to draw.", "行数太多，无法绘制。"],

  formatGroup: ["Format and error", "格式与误差"],
  evaluationGroup: ["Evaluation", "求值"],
  approximateHelp: ["such as 2**x, sin(x), log(1+x), gelu(x)", "例如 2**x、sin(x)、log(1+x)、gelu(x)"],
  tolerance: ["Largest error allowed", "允许的最大误差"],
  toleranceHelp: ["none, or such as 1e-6: the lowest degree is then looked for", "none，或如 1e-6：此时寻找最低次数"],
  fixed: ["Fixed coefficients", "固定的系数"],
  fixedHelp: ["such as 0=1, of power 0", "例如 0=1，即零次幂的系数"],
  format: ["Format of the coefficients", "系数的格式"],
  error: ["Error", "误差"],
  objective: ["Made least", "使之最小"],
  scheme: ["Scheme", "求值方案"],
  output_format: ["Value rounded to", "值舍入到"],
  guard: ["x outside the domain", "区间外的 x"],
  exhaustive: ["Try every float32 (slow)", "试遍所有 float32（较慢）"],
  word_absolute: ["absolute", "绝对"],
  word_relative: ["relative", "相对"],
  word_minimax: ["largest error (minimax)", "最大误差（minimax）"],
  word_l2: ["root of the mean square (l2)", "均方根（l2）"],
  word_l1: ["integral of its size (l1)", "绝对值的积分（l1）"],
  word_ulp: ["largest ulp, as code gives it (slow)", "代码结果的最大 ulp（较慢）"],
  word_flips: ["flips: results not correctly rounded (slow)", "翻转：未正确舍入的结果（较慢）"],
  word_none: ["as it comes", "不作处理"],
  word_clamp: ["clamp: value at the nearest end", "clamp：取最近端点的值"],
  word_real: ["real: nothing is rounded", "实数：不舍入"],
  largestError: ["largest error", "最大误差"],
  lowerBound: ["lower bound", "下界"],
  provedBound: ["proved bound", "已证明的界"],
  withRounding: ["with rounding", "计入舍入"],
  maxUlp: ["largest ulp", "最大 ulp"],
  flips: ["flips", "翻转"],
  inputCount: ["inputs tried", "试过的输入"],
  kind_proved: ["proved", "已证明"],
  kind_sampled: ["sampled", "抽样"],
  kind_exhaustive: ["exhaustive", "穷举"],
  errorTitle: ["Error curve", "误差曲线"],
  errorCurve: ["polynomial − target", "多项式 − 目标"],
  error_absolute: ["absolute error", "绝对误差"],
  error_relative: ["relative error", "相对误差"],
  errorLabel: ["The error from x = {a} to {b}; the largest is {largest}.", "误差曲线，x 从 {a} 到 {b}；最大为 {largest}。"],
  decimal: ["decimal", "十进制"],
  exactly: ["exactly", "精确值"],
  formatOf: ["format", "格式"],
  ulpTitle: ["All inputs tried: errors in ulp", "试遍所有输入：以 ulp 计的误差"],
  ulpAxis: ["error in units in the last place", "误差（ulp）"],
  shareOfInputs: ["share of inputs", "输入占比"],
  ulpLabel: ["How many inputs have which error in ulp; the largest is {largest}.", "各误差（ulp）对应的输入数；最大为 {largest}。"],
  codeTitle: ["Code", "代码"],
  code_c: ["C header (.h)", "C 头文件（.h）"],
  code_source: ["C source (.c)", "C 源文件（.c）"],
  code_cuda: ["CUDA (.cuh)", "CUDA（.cuh）"],
  code_triton: ["Triton (.triton.py)", "Triton（.triton.py）"],
  code_numpy: ["Python (.py)", "Python（.py）"],
  code_latex: ["LaTeX (.tex)", "LaTeX（.tex）"],

  about_SGD: [
    "Steps straight downhill, as long as the slope is steep. With momentum a part of each step is carried on.",
    "沿坡直下，坡越陡步越长。加上动量，每步的一部分会延续到下一步。",
  ],
  about_RMSprop: [
    "Divides each slope by a running average of its size: steep and flat directions make equally long steps, which do not shrink near the optimum.",
    "每个斜率除以其大小的滑动平均：陡与平的方向步长相同，接近最优值时也不缩短。",
  ],
  about_Adam: [
    "RMSprop with momentum; both averages start at zero and are corrected for that (bias correction).",
    "带动量的 RMSprop；两个平均都从零开始，并对此作偏差校正。",
  ],
  about_AdamW: ["Adam whose weight decay acts on the coefficients themselves.", "Adam，权重衰减直接作用于系数。"],
  about_Adamax: ["Adam that divides by the largest recent slope instead of an average.", "Adam，但除以近期最大的斜率而不是平均。"],
  about_NAdam: ["Adam that looks ahead along its momentum (Nesterov).", "Adam，沿动量方向向前看一步（Nesterov）。"],
  about_RAdam: ["Adam that waits until its average of squares can be trusted.", "Adam，等到平方平均可信之后才使用它。"],
  about_Adagrad: ["Divides by the size of all slopes so far, so steps grow shorter and shorter.", "除以至今所有斜率的大小，因此步长越来越短。"],
  about_Adadelta: ["Measures its steps by the size of its earlier ones; lr is only a factor, usually 1.", "以先前步的大小度量步长；lr 只是因子，通常为 1。"],
  about_Adafactor: ["Adam without a first average, relative to the size of the coefficients.", "没有一阶平均的 Adam，步长相对于系数大小。"],
  about_ASGD: ["Gradient descent that also averages the places it has been at.", "梯度下降，并对经过的位置取平均。"],
  about_LBFGS: ["Estimates the curvature from recent slopes and jumps; 20 evaluations a step.", "由最近的斜率估计曲率并跳跃；每步最多 20 次求值。"],
  about_Lion: ["Steps of equal length in each coefficient: only the sign of its momentum counts. Not in torch.", "每个系数步长相等：只看动量的符号。torch 中没有。"],
  about_Rprop: ["Only signs of slopes: a step grows while the sign stays, and shrinks when it turns.", "只看斜率符号：符号不变则步长增大，改变则缩小。"],
};

// The server's sentences; what is not here stays in English.
const SENTENCES = [
  [/^the expression is empty; write one such as sin\(x\)\.$/, "表达式为空；请写一个，例如 sin(x)。"],
  [/^unknown function '(.+?)'; (?:did you mean '(.+?)'\?|known are .*)$/, (m) => `未知函数 “${m[1]}”${m[2] ? `；是否想写 “${m[2]}”？` : "。"}`],
  [/^the target '(.+)' is (not a number|infinite) at x = (\S+)\. .*$/, (m) => `目标 “${m[1]}” 在 x = ${m[3]} 处${m[2] === "infinite" ? "为无穷大" : "不是数"}。请选择处处有限的区间，或换一个目标。`],
  [/^an operator is missing between (.+) and (.+); write (.+) for a product\.$/, (m) => `${m[1]} 与 ${m[2]} 之间缺少运算符；乘积请写 ${m[3]}。`],
  [/^a value is missing (before|after) (.+); write .*$/, (m) => `${m[2]} 的${m[1] === "before" ? "前" : "后"}面缺少一个值；请写一个数或 x。`],
  [/^(\w+) is a function; put its argument in brackets, as in (.+)\.$/, (m) => `${m[1]} 是函数；请把自变量写在括号里，如 ${m[2]}。`],
  [/^unknown name '(.+?)'(?:; did you mean '(.+?)'\?)?.*$/, (m) => `未知名称 “${m[1]}”${m[2] ? `；是否想写 “${m[2]}”？` : "。"}`],
  [/^unknown (\w+) '(.+?)'(?:; did you mean '(.+?)'\?)?.*$/, (m) => `未知的 ${m[1]} “${m[2]}”${m[3] ? `；是否想写 “${m[3]}”？` : "。"}`],
  [/^this \( is never closed; add a \)\.$/, "这个 ( 没有闭合；请加上 )。"],
  [/^this \) (.+)$/, "这个 ) 没有对应的 (。"],
  [/^(\w+) must be a number or text such as '(.+?)', got '(.*?)'.*$/, (m) => `${m[1]} 必须是数字，或如 “${m[2]}” 的算式，得到的是 “${m[3]}”。`],
  [/^(\w+) must be an integer >= (-?\d+), got (.+?)\.?$/, (m) => `${m[1]} 必须是不小于 ${m[2]} 的整数，得到的是 ${m[3]}。`],
  [/^(\w+) must be at most (\S+) here, got (.+)\.$/, (m) => `${m[1]} 在此最多为 ${m[2]}，得到的是 ${m[3]}。`],
  [/^(\w+) must be a number >= 0, got (.+)\.$/, (m) => `${m[1]} 必须是不小于 0 的数，得到的是 ${m[2]}。`],
  [/^(\w+) must be (>=?|<=?) (\S+), got (.+)\.$/, (m) => `${m[1]} 必须 ${m[2]} ${m[3]}，得到的是 ${m[4]}。`],
  [/^domain must be two finite numbers a < b, got (.+) and (.+)\. Give them in ascending order\.$/, (m) => `区间必须是两个有限数 a < b，得到的是 ${m[1]} 和 ${m[2]}。请按升序给出。`],
  [/^(\w+) must be two values with a comma.*$/, (m) => `${m[1]} 必须是用逗号隔开的两个值。`],
  [/^This takes longer than (.+?) s, and was given up\..*$/, (m) => `计算超过 ${m[1]} 秒，已放弃。请减少步数、次数或样本数。`],
  [/^(.+) has \d+ columns of numbers among .*$/, (m) => `${m[1]} 中的数字列少于两列；需要 x 和 y。`],
  [/^(.+) is not a file that can be read here\..*$/, (m) => `${m[1]} 不是可读取的文件。请放入 .csv 或 .parquet 文件。`],
  [/^(\w+) diverges with every rate from (.+) to (.+)\.$/, (m) => `${m[1]} 在 ${m[2]} 到 ${m[3]} 的所有学习率下都发散。`],
  [/^Diverged at step (\d+): .*$/, (m) => `第 ${m[1]} 步发散：损失不再有限或远大于起点。请用更小的 lr、Adam 或切比雪夫基。`],
];

let language = "en";

export const languages = ["en", "zh"];
export const keys = Object.keys(WORDS);

export function chosen() {
  return language;
}

export function choose(wanted) {
  language = languages.includes(wanted) ? wanted : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** Return what the page says at this key, with the values in their places. */
export function t(key, values = {}) {
  const pair = WORDS[key];
  if (!pair) throw new Error(`the page has no word ${key}`);
  return pair[languages.indexOf(language)].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function has(key) {
  return key in WORDS;
}

/** Return a sentence of the server in the language of the page, where it is known. */
export function translated(sentence) {
  if (language === "en") return sentence;
  for (const [pattern, chinese] of SENTENCES) {
    const found = pattern.exec(sentence);
    if (found) return typeof chinese === "string" ? chinese : chinese(found);
  }
  return sentence;
}

/** Put the words of the chosen language into all elements that name one. */
export function spell(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text, element.dataset);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label, element.dataset));
}
